"""What is known of a call that was played: what its three sides have to say of it, on one clock.

Whatever judges or shows a call (`expecting`, `telling`, `saving`) is given a `CallData`, and imports nothing
of `played`, which stands above them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.records.story import CallStory
    from callbridge.records.telling import StoredFact
    from callbridge.simulators.account import Message
    from callbridge.simulators.phone import CallReport, PhoneStream
    from callbridge.simulators.phone.people_report import PersonReport
    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.logged import LogLine
    from callbridge.testing.persona.conversation import Conversation
    from callbridge.testing.persona.persona import Persona
    from callbridge.testing.persona.text_models import Exchange

ComplaintKind: TypeAlias = Literal[
    "tool_not_offered",
    "arguments_refused",
    "moves_left",
    "unscripted",
    "never_answered",
    "carrier",
    "caller",
    "model_refusal",
    "audio_changed",
    "audio_lost",
    "log",
    "tool_failed",
    "silence",
    "not_ended",
    "text_model",
]


class ToolNotOfferedError(AssertionError):
    """The model was to call a tool that the session did not offer: whatever follows proves nothing."""


class Complaint(msgspec.Struct, frozen=True):
    """Something that would make a green test worthless, or that a caller or an operator would mind."""

    kind: ComplaintKind
    """`tool_not_offered`, `arguments_refused`: the model was to call what it could not;
    `moves_left`: nobody came to them; `unscripted`: the model was asked for more than its moves;
    `never_answered`: no session of the model ever came about;
    `carrier`: Twilio would warn of it; `caller`: what went against the caller's plan;
    `model_refusal`: the model answered something of the service with an error;
    `audio_changed`, `audio_lost`: of the agent on its way to the ear, of the caller on its way to the model;
    `log`: a warning or an error in the log; `tool_failed`: a tool raised, or took too long;
    `silence`: nobody was heard for longer than the service promises;
    `not_ended`: the call had to be ended from outside;
    `text_model`: it was to play the voice model, and gave no answer that can be used."""
    text: str
    """What it is, and what to do."""
    at_ms: int | None = None
    """When, since the call was placed; None where it has no moment."""


@dataclass(frozen=True)
class CallData:
    """A finished call.

    One clock counts for all: milliseconds since the caller has dialled (`phone` and `log` count so by
    themselves; times of `story` count from its first fact: add `story_from_ms`).
    """

    story: CallStory
    """The call as records tell it: turns, what was heard, tools, latency, cost."""
    stored: tuple[StoredFact, ...]
    """The facts as they would be kept, in the order in which they came, those of webhooks among them."""
    phone: CallReport
    """What the simulated phone reports: what was heard and when, verbs, silences, warnings."""
    streams: tuple[PhoneStream, ...]
    """Its media streams, with every payload, mark and frame."""
    sessions: tuple[Journal, ...]
    """What the model saw, one journal for each of its sessions."""
    caller_audio: bytes
    """What the caller said, 8 kHz µ-law, from the moment of dialling."""
    heard_audio: bytes
    """What they heard of the agent, alike."""
    log: tuple[LogLine, ...]
    """What was logged, redacted as in production."""
    complaints: tuple[Complaint, ...]
    """What must not be in a call that proves anything; see `Complaint`."""
    story_from_ms: int
    """What the times of `story` are late by, as the phone counts: from the dialling to the first fact."""
    people: tuple[PersonReport, ...] = ()
    """What came of the calls to people, where a test has any."""
    texts: tuple[Message, ...] = ()
    """Text messages of the account, in and out."""
    seed: int = 0
    title: str = field(default="call", kw_only=True)
    """What it is called in reports and files."""
    has_real_model: bool = field(default=False, kw_only=True)
    """The real voice model answered: it has left no `sessions`, and nobody can say what it was to say."""
    persona: Persona | None = field(default=None, kw_only=True)
    """Who called, where a text model played the caller."""
    goal: str = field(default="", kw_only=True)
    """What the persona says of its goal: `open`, `reached` or `given_up`. Advisory: it proves nothing."""
    exchanges: tuple[Exchange, ...] = field(default=(), kw_only=True)
    """Every question to a text model during the call, with its answer."""
    judged: list[Conversation] = field(default_factory=list, kw_only=True)
    """The conversation with what judges have said of it, since the first was asked; the latest last."""

    def __repr__(self) -> str:
        found = f"{self.phone.duration_ms} ms, {len(self.complaints)} complaints"
        return f"<{type(self).__name__} {self.phone.call_sid} {found}>"

    @property
    def values(self) -> Any:
        """What the agent's code has put into `call.values`, as JSON has it: a dictionary."""
        return msgspec.json.decode(self.story.values or "{}")

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What happened, in its order."""
        return tuple(row.fact for row in self.stored if row.fact is not None)
