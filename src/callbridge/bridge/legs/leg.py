"""The two sockets of a call behind one small interface: read until gone, send without waiting, close.

A leg knows its transport and nothing of the call. Sending never waits: what the peer does not take is
buffered up to a bound, and a peer that stops reading is reported as stalled; it never blocks the other leg.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from callbridge.call.events import BadMessage, LegGone, LegStalled

if TYPE_CHECKING:
    from callbridge.call.events import ModelDialFailed

PHONE_MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Twilio's media frames have under 400 bytes, its start message perhaps 2,000; more gets 1009."""

PHONE_ODD_FRAMES_PER_SECOND_MAX: Final = 120
PHONE_ODD_FRAMES_AT_ONCE_MAX: Final = 240
"""Pings, pongs, fragments, and whatever comes after the end of a stream: Twilio sends none of the first three
and, of the last, what was on its way. More is a flood: its socket is not even read any more."""

MODEL_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""A delta is a few kB; `session.updated` repeats all instructions and tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much and how long a leg waits for a peer that does not read."""

    outbox_bytes_max: int = 4 * 1024 * 1024
    """More than five minutes of agent audio in base64, sent ahead of real time. Above: the peer is dead."""

    send_timeout_s: float = 5.0
    """Nothing taken by the peer for so long: it has stopped reading."""

    close_timeout_s: float = 2.0
    """For the peer to take what is queued and to answer a close. After it the socket is dropped."""


PHONE_PATIENCE: Final = Patience(send_timeout_s=2.5, close_timeout_s=0.5)
"""A phone that takes nothing hears nothing. After 2.5 s its stream is given up, after 3 s its socket is gone,
and Twilio asks what follows: one second is left to go on with a new stream before the caller has heard
nothing for 4 s. Twilio answers a close within one round trip."""

MODEL_PATIENCE: Final = Patience(send_timeout_s=5.0)
"""A model that takes nothing soon says nothing either, and is replaced for that when an answer is owed. This
is for one that nobody waits for: a short pause of the network must not cost it its session."""

Read: TypeAlias = Callable[[str | bytes], None]

LegEnd: TypeAlias = LegGone | LegStalled | BadMessage
"""How a leg ends: its peer is gone, has stopped reading, or broke the protocol beyond mending."""


class SocketLeg(Protocol):
    """One socket. `read` runs as a task of the call; the rest is called from anywhere."""

    def send(self, frame: bytes) -> None:
        """Sends the UTF-8 text of one frame. After the end of the leg it is thrown away."""

    async def read(self, said: Read) -> LegEnd:
        """Hands every text message to `said` until the leg ends. Then nothing is heard and nothing sent."""

    def ignore(self) -> None:
        """Hands over nothing more: the stream has ended, and what its peer still says is not even parsed."""

    def cut(self, code: int, reason: str = "") -> None:
        """Ends the leg at once, whatever its call is at."""

    async def close(self, code: int, reason: str) -> None:
        """Closes with `code`. Bounded, whatever the peer does; safe on a leg that is gone."""


class Dialer(Protocol):
    """Opens the model legs of all calls."""

    async def dial(self, model: str) -> SocketLeg:
        """A socket to `model`.

        Raises:
            DialError: refused, unreachable or too slow.
        """


class DialError(Exception):
    """The model leg could not be opened. `event` is what the machine is told."""

    def __init__(self, event: ModelDialFailed) -> None:
        super().__init__(event.why)
        self.event = event
