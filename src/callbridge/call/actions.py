"""What a call may ask of the shell around it, in the imperative. All of one event are performed in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from callbridge.call.events import Leg
from callbridge.call.facts import Fact
from callbridge.wire import media_streams, realtime_commands


@dataclass(frozen=True, slots=True)
class AdmitStream:
    """Check the stream's token; answered by `StreamAdmitted` or `StreamRefused`."""

    start: media_streams.StartFacts


@dataclass(frozen=True, slots=True)
class BeginCall:
    """The stream was admitted: from now on `Entrance.call` is told what happens, and the relay serves it."""


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

    renew_at: float | None = None
    """When the session is to be renewed, in monotonic seconds: the stream that takes it is told."""


@dataclass(frozen=True, slots=True)
class PlayClip:
    """Let the caller hear the clip: "one moment, please"."""


class OwnSound(StrEnum):
    """Sounds of ours."""

    AT_WORK = "at_work"
    """Soft, now and then: somebody is at work."""
    ON_HOLD = "on_hold"
    """A piece of what is heard on hold; another one behind it goes on."""


@dataclass(frozen=True, slots=True)
class PlaySound:
    """Let the caller hear a sound of ours."""

    sound: OwnSound = OwnSound.AT_WORK


@dataclass(frozen=True, slots=True)
class PlayKeys:
    """Let the far end hear the tones of keys, behind what is on its way."""

    keys: str
    name: str
    """What they are called in the ledger."""


@dataclass(frozen=True, slots=True)
class OpenUplink:
    """Send the caller audio that was held, in order, and let the rest pass."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool of the agent beside the call, once what was noted before is on disk.

    Answered by `ToolFinished`, whatever happens, also after the end of the call.
    """

    call_id: str
    name: str
    arguments: str
    timeout_s: float
    """For one that has no limit of its own."""
    is_repeated: bool = False
    """It was asked for before, and how that ended is not known."""
    is_ours: bool = False
    """The agent's own code has asked for it, and no model."""


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """Close a socket with a code of RFC 6455 section 7.4."""

    leg: Leg
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Tell whoever follows the call of a fact: it is logged, kept, counted, shown."""

    fact: Fact


Action: TypeAlias = (
    AdmitStream
    | BeginCall
    | DialModel
    | DropModel
    | SwitchModel
    | ParkModel
    | SendToPhone
    | SendToModel
    | PlayClip
    | PlaySound
    | PlayKeys
    | OpenUplink
    | RunTool
    | CloseLeg
    | Note
)
