"""What there is to do next in the execution of a call, and what was done.

Pure. `Program` answers each step's result with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from callbridge.simulators.phone import twiml
    from callbridge.simulators.phone.dial_nouns import Noun, Room


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask a webhook for a document."""

    url: str
    method: str
    parameters: tuple[tuple[str, str], ...]
    """Parameters besides the standard ones."""
    is_answered: bool
    """Whether Twilio has picked up: CallStatus is in-progress rather than ringing."""
    is_over: bool = False
    """The caller has hung up: CallStatus is completed, and the answer is not executed."""


@dataclass(frozen=True, slots=True)
class Spend:
    """A verb is being carried out, which takes so long."""

    seconds: float
    sound: str = ""
    """The verb, as `<Say>`, when the caller hears something meanwhile that somebody meant them to hear."""
    is_callers_turn: bool = False
    """The caller is asked to enter something."""
    text: str = field(default="", compare=False)
    """What is said, or the address of what is played."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open a media stream; with a fault, report it and do not even try."""

    url: str
    noun: twiml.ConnectStream
    status_callback: str | None
    fault: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The call is over, with this call status."""

    status: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring the nouns of a `<Dial>`; `Program.dialled` is told what became of it."""

    verb: twiml.Dial
    nouns: tuple[Noun, ...]
    shown: str
    """What those who are rung see as the caller's number."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """What became of a `<Dial>`."""

    status: str
    """`DialCallStatus`; that something picked up is `completed`."""
    sid: str | None
    """Of the leg that picked up, else of the last one that rang."""
    duration_s: int | None
    """Of that leg; None when nobody answered, and when it was sent elsewhere."""
    is_bridged: bool
    """Whether the two were connected."""

    def parameters(self, *, tells_bridged: bool) -> tuple[tuple[str, str], ...]:
        """What the action is told; older accounts are not told who was connected."""
        told = [("DialCallStatus", self.status)]
        if self.sid is not None:
            told.append(("DialCallSid", self.sid))
        if self.duration_s is not None:
            told.append(("DialCallDuration", str(self.duration_s)))
        if tells_bridged:
            told.append(("DialBridged", "true" if self.is_bridged else "false"))
        return tuple(told)


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """Enter a conference; `Program.dialled` is told when the call has left it, or could not enter."""

    verb: twiml.Dial
    room: Room


@dataclass(frozen=True, slots=True)
class Enter:
    """The caller is asked to enter something, and somebody can say what; `Program.entered` is told."""

    verb: twiml.Gather


@dataclass(frozen=True, slots=True)
class Talk:
    """The whisper is over, and nobody has hung up in it: the two are connected."""


Step: TypeAlias = Fetch | Spend | Enter | OpenStream | Ring | EnterRoom | Talk | End


@dataclass(frozen=True, slots=True)
class Callback:
    """News for somebody beside the call, which does not wait for them."""

    url: str
    method: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ExecutedVerb:
    """A verb that was carried out, for the report."""

    verb: str
    detail: str
