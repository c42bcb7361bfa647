"""What the machine may ask for, and the local events that it may be told.

Actions are imperative, events past tense. The peers' messages are events as they come from `wire`; there
is no second vocabulary for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from callbridge.call.facts import Fact
from callbridge.call.memory import Entry
from callbridge.wire import media_streams, realtime, realtime_commands


class Leg(Enum):
    """One of the sockets of a call."""

    PHONE = "phone"
    MODEL = "model"
    SPARE = "spare"
    """A second session with the model, made ready before the first one expires."""


# --- Actions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdmitStream:
    """Check the stream's token; answered by `StreamAdmitted` or `StreamRefused`."""

    start: media_streams.StartFacts


@dataclass(frozen=True, slots=True)
class DialModel:
    """Open a model leg; answered by `ModelConnected` or `ModelDialFailed`."""

    model: str
    leg: Leg = Leg.MODEL


@dataclass(frozen=True, slots=True)
class SendToPhone:
    """Send a mark or a clear. Audio goes past the machine."""

    message: media_streams.SendMark | media_streams.Clear


@dataclass(frozen=True, slots=True)
class SendToModel:
    """Send a command. Audio goes past the machine."""

    command: realtime_commands.AnyCommand
    leg: Leg = Leg.MODEL


@dataclass(frozen=True, slots=True)
class DropModel:
    """Close a model leg in the middle of the call, and forget it: nothing that it still says counts."""

    leg: Leg = Leg.MODEL


@dataclass(frozen=True, slots=True)
class SwitchModel:
    """The spare becomes the model leg, and the one that was is closed."""


@dataclass(frozen=True, slots=True)
class ParkModel:
    """Leave the model leg open for the stream with which this call may come back."""


@dataclass(frozen=True, slots=True)
class PlayClip:
    """Let the caller hear the clip: "one moment, please"."""


@dataclass(frozen=True, slots=True)
class OpenUplink:
    """Send the caller audio that was held, in order, and let the rest pass."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool of the agent beside the call; answered by `ToolFinished`, whatever happens."""

    call_id: str
    name: str
    arguments: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """Close a socket with a code of RFC 6455 section 7.4."""

    leg: Leg
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """Keep a fact: log it, count it, show it."""

    fact: Fact


Action: TypeAlias = (
    AdmitStream
    | DialModel
    | DropModel
    | SwitchModel
    | ParkModel
    | SendToPhone
    | SendToModel
    | PlayClip
    | OpenUplink
    | RunTool
    | CloseLeg
    | Record
)

# --- Local events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamAdmitted:
    """The token was good. Numbers as the webhook had them."""

    caller: str
    called: str
    is_continued: bool = False
    """An earlier stream of this call broke off, or was handed over."""
    memory: tuple[Entry, ...] = ()
    """What was said in it."""
    age_s: float = 0.0
    """How long the call has lasted already."""


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The token was missing, wrong, used or late."""

    why: str


@dataclass(frozen=True, slots=True)
class ModelConnected:
    """A model leg is open."""

    leg: Leg = Leg.MODEL
    is_warm: bool = False
    """It was parked by an earlier stream of this call: its session knows the conversation."""


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


@dataclass(frozen=True, slots=True)
class SpareSaid:
    """An event of the spare session."""

    event: realtime.Parsed


@dataclass(frozen=True, slots=True)
class AnswerRanAway:
    """More agent audio is unheard than anybody would say."""


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
    ends_call: bool = False
    """The agent wants to hang up once its last words were heard."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """The process stops now."""


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """The process will stop: the call is to go on with the next one, from the end of this turn."""


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
    | LegGone
    | LegStalled
    | BadMessage
    | ToolFinished
    | ShutdownRequested
    | HandOverRequested
    | DeadlinePassed
)
Event: TypeAlias = media_streams.Parsed | realtime.Parsed | LocalEvent
