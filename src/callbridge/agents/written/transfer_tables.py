"""The tables of an agent's file that say to whom it can put its callers through."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from callbridge.agents.written.tables import Words, Written

TransferName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
"""What the model calls somebody."""


class WrittenTransfer(Written):
    """Somebody to whom the agent can put its callers through. The model knows the name, and no address."""

    to: Words | None = None
    """`+14155550100`, `sip:sales@pbx.example.com` or `client:anna`; `${NAME}` for one that stands in the
    environment. Or say `by`."""
    by: Words | None = None
    """It depends on this field of what was captured: `city`."""
    addresses: Annotated[dict[str, Words], Field(min_length=1)] | None = None
    """With `by`: who is rung for which value. Capital letters make no difference."""
    otherwise: Words | None = None
    """With `by`: who is rung for every other value, and while there is none."""
    when: str = ""
    """What it is for, for the model: `the caller wants to buy something`."""
    ring_s: Annotated[int, Field(ge=5, le=120)] | None = None
    """How long it rings, in seconds; 20 unless it is said."""
    extension: Words | None = None
    """Keys that are pressed once somebody has answered: digits, `*`, `#`, and `w` for half a second's
    wait."""
    shows: Literal["caller", "line"] | None = None
    """Whose number they see: the caller's, unless it is said, or that of the line which was called."""
    asks: bool = False
    """Whether they hear a briefing, and press a key to take the call."""
    warm: bool = False
    """The same, and the caller stays with the agent until it is taken."""
    briefing: Words | None = None
    """What they hear before they take the call: `{name} calls about {reason}.` Without it, what the model
    makes of the call."""
    hours: Words | None = None
    """When they are there: `Mo-Fr 9:00-17:30, Sa 10:00-13:00`."""
    says: str = ""
    """What the caller is told before, exactly. Without it the model says it."""
    language: Words | None = None
    """In which language they hear the briefing: `de`. By default in that of the callers."""
