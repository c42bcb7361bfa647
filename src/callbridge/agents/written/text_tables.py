"""The table of an agent's file that says which text messages it may send."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints

from callbridge.agents.written.tables import Words, Written

TemplateName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""What the model calls a text."""


class WrittenTexts(Written):
    """Text messages that the agent may send to its caller, two in a call. The model sees no number."""

    templates: dict[TemplateName, Words] = Field(default_factory=dict)
    """Texts by name. `{day}` stands for what was captured and confirmed for a field named so."""
    words_max: Annotated[int, Field(ge=0, le=1_000)] | None = None
    """Characters of a text in the model's own words; 300 unless it is said, 0 for templates only."""
    to_captured: Words | None = None
    """A field with a phone number to which a text may go as well, once the caller has confirmed it."""
    confirm: bool = False
    """Whether the caller is asked about exactly this text first."""
