"""What is worth knowing of a call: values that the machine records and others log, count or show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from callbridge.call.memory import ToolAnswered
from callbridge.wire import realtime


class EndReason(Enum):
    """Why a call's stream ended. Exactly one per call, from this closed list."""

    CALLER_HANGUP = "caller_hangup"
    AGENT_HANGUP = "agent_hangup"
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model could not be reached or refused us before it ever spoke."""
    MODEL_LOST = "model_lost"
    """The model went away, stalled or kept failing in mid-call."""
    MEDIA_LOST = "media_lost"
    """The phone's socket went away without a stop, or its audio ceased."""
    HANDED_OVER = "handed_over"
    """The process is going away: the call goes on with the next one."""
    LIMIT_DURATION = "limit_duration"
    """It was long enough, or the caller had gone silent. The agent has said so."""
    LIMIT_COST = "limit_cost"
    """It cost as much as one call may. The agent has said goodbye."""
    REJECTED_AUTH = "rejected_auth"
    REJECTED_PROTOCOL = "rejected_protocol"
    SERVICE_STOPPED = "service_stopped"
    INTERNAL_ERROR = "internal_error"

    @property
    def is_normal(self) -> bool:
        """Whether somebody meant the call to end. Everything else owes the caller a word."""
        return self in _MEANT


_MEANT = frozenset(
    {EndReason.CALLER_HANGUP, EndReason.AGENT_HANGUP, EndReason.LIMIT_DURATION, EndReason.LIMIT_COST}
)


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Twilio's stream began and was admitted."""

    call_sid: str
    stream_sid: str
    caller: str
    called: str
    is_continued: bool = False
    """An earlier stream of the same call broke off, or was handed over."""


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The model confirmed the first session of a stream."""

    model: str
    after_ms: int
    """From the admitted start to the confirmed session."""
    held_ms: int
    """Caller audio held meanwhile."""
    has_transcription: bool


@dataclass(frozen=True, slots=True)
class ModelTrouble:
    """A session could not be had, or was lost. The call goes on, unless its end follows."""

    stage: str
    """`dial`, `configure` or `call`."""
    why: str
    status: int | None
    code: str | None
    is_fatal: bool
    """No second try can mend it: somebody must look at account or configuration."""
    is_rate_limit: bool


@dataclass(frozen=True, slots=True)
class SessionReplaced:
    """The call goes on with another session of the model, which was told what was said before."""

    cause: str
    """`lost`, or `renewed` before the old one would have expired."""
    after_ms: int
    """From the loss to the new session; for a renewal, how long the caller's audio waited."""
    items: int
    """What it was told, in conversation items."""


@dataclass(frozen=True, slots=True)
class ClipPlayed:
    """The caller heard "one moment, please", because the agent had nothing to say yet."""

    why: str
    """What the caller waits for."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A tool's answer, to be kept at once: after a crash it must not be run again for the same question."""

    entry: ToolAnswered


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The caller spoke, or pressed a key, while agent audio was unheard."""

    truncated: tuple[tuple[str, int], ...]
    """Items cut, each with the milliseconds that were heard of it."""
    deleted: tuple[str, ...]
    """Items of which nothing was heard."""
    unheard_ms: int
    """Agent audio thrown away."""


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """A tool of the agent ran."""

    name: str
    duration_ms: int
    output_size: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """One utterance of the caller and the agent's answer to it. The greeting has no utterance."""

    number: int
    caller: str | None
    """What the caller said, when a transcript came."""
    agent: str
    """What the caller heard of the answer: cut in proportion when the answer was interrupted."""
    response_ms: int | None
    """From the caller's end of speech to the first audio sent to the phone."""
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_tokens: int = 0

    def plus(self, reported: realtime.Usage | None) -> Usage:
        """The sum with what was reported for one response. Any number may be absent."""
        if reported is None:
            return self
        read = reported.input_token_details or realtime.InputTokens()
        wrote = reported.output_token_details or realtime.OutputTokens()
        return Usage(
            self.input_tokens + (reported.input_tokens or 0),
            self.output_tokens + (reported.output_tokens or 0),
            self.input_audio_tokens + (read.audio_tokens or 0),
            self.output_audio_tokens + (wrote.audio_tokens or 0),
            self.cached_tokens + (read.cached_tokens or 0),
        )


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The one record that answers what a person would ask of a call."""

    reason: EndReason
    detail: str
    duration_ms: int
    turns: int
    interruptions: int
    tools_used: int
    frames_from_phone: int
    frames_to_model: int
    frames_dropped: int
    frames_to_phone: int
    audio_to_phone_ms: int
    deltas_dropped: int
    usage: Usage
    first_audio_ms: int | None
    """From the admitted start to the first agent audio sent."""
    response_ms_p50: int | None
    response_ms_max: int | None
    errors: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that a reader of the log needs to rebuild the call."""

    event: str
    fields: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    is_warning: bool = False


Fact: TypeAlias = (
    CallStarted
    | AgentReady
    | ModelTrouble
    | SessionReplaced
    | ClipPlayed
    | Remembered
    | Interrupted
    | ToolUsed
    | TurnEnded
    | CallEnded
    | Noted
)


def noted(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log, for information."""
    return Noted(event, tuple(fields.items()))


def warned(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log that somebody should look into."""
    return Noted(event, tuple(fields.items()), is_warning=True)
