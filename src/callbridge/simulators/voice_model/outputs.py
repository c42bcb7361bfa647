"""What the simulator asks of its socket, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class SendBinary:
    """Send a binary frame, which the real server never does."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with this code. Nothing follows."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Cut the TCP connection without a closing handshake: the peer sees 1006. Nothing follows."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Keep the connection open but take nothing more out of it. Nothing follows."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Take everything out of the connection and answer nothing, not even a ping. Nothing follows."""


Output = Send | SendBinary | Close | Abort | Stall | Mute
