"""Who calls, and what for: the caller that a text model plays.

Values only, in Python and in the table `[caller]` of a scenario.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from callbridge.testing.fields import check_fields

Positive = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a call of a persona ends at the latest: nobody hangs up on a model that goes on and on."""

    turns: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12
    """How often the persona speaks or presses keys."""
    call_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 180.0
    """Of its streams, in seconds. Then the persona hangs up, and the call has a complaint."""
    silence_s: Positive = 15.0
    """How long the persona waits for the agent to say anything."""
    dollars: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.10
    """What the text model may cost in this call, caller and improvised voice model together."""

    def __post_init__(self) -> None:
        check_fields(self)


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A caller whom a text model plays.

    Args:
        who: who they are and what they know: name, order number, what they are like.
        goal: what they want of this call.
        style: how they speak; empty for as people do.
        limits: where the call ends at the latest.
        model: the text model; that of the settings when empty.
        answers_after_ms: how long the agent must have been quiet, whatever the text model takes.

    Raises:
        ValueError: there is nobody, or nothing that they want.
    """

    who: str
    goal: str
    style: str = ""
    limits: Limits = Limits()
    model: str = ""
    answers_after_ms: Annotated[int, msgspec.Meta(ge=300, le=10_000)] = 800

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("who", "goal"):
            if not getattr(self, name).strip():
                raise ValueError(f"a persona needs `{name}`: write a sentence")


class Improvised(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The simulated voice model says what a text model answers to the session's own instructions and tools.

    It stays strict about everything on the wire. It is not the real voice model: it cannot mishear, and it
    does not choose as that one does. What it shows is whether instructions and tools lead a conversation
    anywhere; a test of the model itself needs the model itself.

    Args:
        model: the text model; that of the settings when empty.
    """

    model: str = ""


class RealModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The real voice model, over the network and in real time. It costs money: say how much it may.

    Args:
        dollars: what one call may cost, model and transcripts. Then the agent says goodbye.
        model: which one; that of the settings when empty.
    """

    dollars: Annotated[float, msgspec.Meta(gt=0, le=100)]
    model: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
