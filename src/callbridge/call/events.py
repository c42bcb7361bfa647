"""What a call may be told: the local events, and those by which its parts tell each other.

Events are past tense. The peers' messages are events as they come from `wire`; there is no second vocabulary
for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from callbridge.call.facts import EndReason
from callbridge.call.memory import Entry
from callbridge.call.outcomes import ToolOutcome, TransferOutcome
from callbridge.call.plan import CallPlan
from callbridge.call.sessions.trouble import Trouble
from callbridge.call.wants import Want
from callbridge.wire import media_streams, realtime_events

if TYPE_CHECKING:
    from callbridge.call.wishes import Wish


class Leg(Enum):
    """One of the sockets of a call."""

    PHONE = "phone"
    MODEL = "model"
    SPARE = "spare"
    """A second session with the model, made ready before the first one expires."""


# --- From the shell -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamAdmitted:
    """The stream's token was good. Numbers as the webhook had them."""

    plan: CallPlan
    """What this call is to be."""
    caller: str
    called: str
    is_continued: bool = False
    """An earlier stream of this call broke off, or was handed over."""
    memory: tuple[Entry, ...] = ()
    """What was said in it."""
    age_s: float = 0.0
    """How long the call has lasted already."""
    is_spend_over: bool = False
    """All calls together cost more than they may: this one begins with its goodbye."""
    is_back: bool = False
    """An earlier stream put the caller through to a person, and nobody took the call."""


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The stream's token was missing, wrong, used or late."""

    why: str


@dataclass(frozen=True, slots=True)
class ModelConnected:
    """A model leg is open."""

    leg: Leg = Leg.MODEL
    is_warm: bool = False
    """It was parked by an earlier stream of this call: its session knows the conversation."""
    renew_at: float | None = None
    """When that stream would have renewed it, on the same monotonic clock."""
    unix_s: float | None = None
    """The wall clock at this moment, in seconds since 1970: the server says by it when a session expires."""


@dataclass(frozen=True, slots=True)
class ModelDialFailed:
    """The model leg could not be opened."""

    why: str
    status: int | None = None
    """The HTTP status, when there was an answer."""
    code: str | None = None
    """The vendor's error code, when the answer had one."""
    retry_after_s: float | None = None
    """When the server asks to be tried again."""
    leg: Leg = Leg.MODEL
    lacks_descriptors: bool = False
    """This process could open no socket at all: it says nothing of the model."""


@dataclass(frozen=True, slots=True)
class SpareSaid:
    """An event of the spare session."""

    event: realtime_events.Parsed


@dataclass(frozen=True, slots=True)
class AnswerRanAway:
    """More agent audio is unheard than anybody would say."""


@dataclass(frozen=True, slots=True)
class CallerIsLoud:
    """The caller has been loud for a while, and the model does not say that they speak."""


@dataclass(frozen=True, slots=True)
class CallerWasLoud:
    """The caller was loud and is quiet again, and the model has not said that they spoke."""

    loud_ms: int


@dataclass(frozen=True, slots=True)
class LegGone:
    """A socket closed, from the other side or by a fault."""

    leg: Leg
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LegStalled:
    """A peer stopped reading: what waits for it reached its bound."""

    leg: Leg
    why: str


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A peer sent what its protocol does not allow."""

    leg: Leg
    why: str
    is_fatal: bool = False
    """Binary frames and the like: no later message can be trusted."""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool answered, failed or ran out of time. `output` is what the model is told."""

    call_id: str
    name: str
    output: str
    duration_ms: int
    wish: Wish | None = None
    """What the agent wants done to the call once its last words were heard."""
    outcome: ToolOutcome = ToolOutcome.ANSWERED
    is_ours: bool = False
    """It was a work of the agent's own: a model may give its calls the same names."""
    is_momentary: bool = False
    """What it answered held at that moment: who asks again is not told the same."""
    is_quiet: bool = False
    """The model is told, and asked for no words about it."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """The process stops now."""


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """The process will stop: the call is to go on with the next one, from the end of this turn."""


@dataclass(frozen=True, slots=True)
class SpendRanOver:
    """All calls together cost more than they may: each has to end."""


@dataclass(frozen=True, slots=True)
class EndAsked:
    """An operator wants this call to end, in words."""


@dataclass(frozen=True, slots=True)
class TransferTold:
    """What became of the transfer for which the caller is on hold; `CONNECTED`: somebody takes the call."""

    transfer_id: str
    outcome: TransferOutcome
    detail: str = ""
    """What Twilio said."""
    is_to_ring: bool = False
    """Nobody can be asked apart: the caller is to hear it ring."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time in `deadline` has come."""


LocalEvent: TypeAlias = (
    StreamAdmitted
    | StreamRefused
    | ModelConnected
    | ModelDialFailed
    | SpareSaid
    | AnswerRanAway
    | CallerIsLoud
    | CallerWasLoud
    | LegGone
    | LegStalled
    | BadMessage
    | ToolFinished
    | ShutdownRequested
    | HandOverRequested
    | SpendRanOver
    | EndAsked
    | TransferTold
    | DeadlinePassed
    | Want
)
Event: TypeAlias = media_streams.Parsed | realtime_events.Parsed | LocalEvent

# --- From a part of the machine to the machine ----------------------------------------------------------
# Handled when the event that led to them is done, so that no part is entered again in the middle of itself.


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """The present session is of no more use."""

    trouble: Trouble


@dataclass(frozen=True, slots=True)
class SessionGone:
    """The present session was given up, and another one is to be had."""


@dataclass(frozen=True, slots=True)
class SessionRetold:
    """A new session has just been told all that is remembered."""


@dataclass(frozen=True, slots=True)
class SessionStands:
    """A session is configured and may be asked."""


@dataclass(frozen=True, slots=True)
class SpareTookOver:
    """The spare session is the model's leg now, and knows what was said."""


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The call has to end, and the agent says so."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class StreamMustEnd:
    """The stream has come to an end that a part of the machine has found."""

    reason: EndReason
    detail: str


Consequence: TypeAlias = (
    SessionFailed | SessionGone | SessionRetold | SessionStands | SpareTookOver | LimitReached | StreamMustEnd
)
"""What one event leads to inside the machine."""
