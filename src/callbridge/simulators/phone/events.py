"""What happens during a call, for whoever watches it live: small facts in the past tense.

Every `at` is in seconds on the clock that drives the call; `CallPlaced.at` is its zero for a viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class CallPlaced:
    """The caller has dialled; Twilio asks the webhook what to do."""

    at: float
    call_sid: str
    from_number: str
    to_number: str


@dataclass(frozen=True, slots=True)
class WebhookAnswered:
    """A webhook was asked and has answered, or failed."""

    at: float
    url: str
    status: int | None
    """HTTP status; None when there was no answer."""
    took_ms: float


@dataclass(frozen=True, slots=True)
class VerbExecuted:
    """A TwiML verb was carried out."""

    at: float
    verb: str
    detail: str


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The media socket is open and `start` was sent."""

    at: float
    stream_sid: str


@dataclass(frozen=True, slots=True)
class AgentAudioStarted:
    """The caller begins to hear the agent: the start of the first audible frame, not the message."""

    at: float


@dataclass(frozen=True, slots=True)
class AgentAudioStopped:
    """The caller hears the agent no more: the last sound was at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerSpeaking:
    """The caller begins to speak."""

    at: float
    is_interrupting: bool
    """The agent is audible at that moment."""


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """The caller has stopped speaking; `at` is the end of the last audible frame."""

    at: float


@dataclass(frozen=True, slots=True)
class Cleared:
    """The bridge emptied the play-out buffer."""

    at: float
    discarded_ms: int


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a key."""

    at: float
    key: str


@dataclass(frozen=True, slots=True)
class Complained:
    """Twilio has something against what the bridge sent; every occurrence, not only the first."""

    at: float
    code: int
    detail: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The media socket is gone."""

    at: float
    code: int | None
    """WebSocket close code; None when the connection broke or never stood."""
    by_whom: str
    """`caller`, `bridge`, `network` or `nobody` when it never opened."""


@dataclass(frozen=True, slots=True)
class PersonReached:
    """The call to somebody who is rung has come to another status."""

    at: float
    status: str
    """`ringing`, `in-progress`, and at its end Twilio's call status."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over."""

    at: float
    status: str
    """Twilio's call status: `completed`, `busy`, `no-answer` or `failed`."""


StreamEvent: TypeAlias = (
    StreamStarted
    | AgentAudioStarted
    | AgentAudioStopped
    | CallerSpeaking
    | CallerSilent
    | Cleared
    | KeyPressed
    | StreamEnded
)
"""What happens on a media stream."""

PhoneEvent: TypeAlias = (
    CallPlaced | WebhookAnswered | VerbExecuted | Complained | PersonReached | CallEnded | StreamEvent
)
