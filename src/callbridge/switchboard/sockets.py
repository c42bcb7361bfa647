"""Media sockets that are not a call yet, and which of them gives way when there are too many.

The signature of their upgrade is the same for every call and never expires: who has seen one can open as many
as they like. A caller's own socket is one of these for a moment only, until its `start` brings a token that
was issued for the call. So it is the oldest without one that gives way, and nobody is kept out by those who
came before. In memory and pure.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Socket = TypeVar("Socket")

SOCKETS_MAX: Final = 256
"""Beside one for each call whose stream is awaited. A process answers a thousand upgrades a second at most,
so a socket stands for a quarter of one, however many strangers come; Twilio's `start` follows its upgrade
within a round trip. At 31 KiB each that is 8 MiB."""


class UnStartedSockets(Generic[Socket]):
    """Those that are open, from the oldest on."""

    def __init__(self) -> None:
        self._strangers: dict[Socket, None] = {}
        self._vouched: set[Socket] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._vouched)

    def __repr__(self) -> str:
        return f"<UnStartedSockets {len(self)}, vouched for {len(self._vouched)}>"

    def may_open(self, awaited: int) -> bool:
        """Whether another one may come in, while so many calls wait for their streams.

        Not when all that there are wait for the state, which then does not answer: they are bounded, too.
        """
        return bool(self._strangers) or len(self) < SOCKETS_MAX + awaited

    def opened(self, socket: Socket, awaited: int) -> Socket | None:
        """One came in. Answers which one gives way to it, and is none of these any more."""
        assert self.may_open(awaited), "asked before"
        gives_way = None
        if len(self) >= SOCKETS_MAX + awaited:
            gives_way = next(iter(self._strangers))
            del self._strangers[gives_way]
        self._strangers[socket] = None
        return gives_way

    def vouched_for(self, socket: Socket) -> None:
        """It has brought a token of ours: it does not give way any more, whatever else is found out of it.

        One that gave way a moment ago stays away.
        """
        if socket in self._strangers:
            del self._strangers[socket]
            self._vouched.add(socket)

    def settled(self, socket: Socket) -> None:
        """It became a call, or is gone, or gave way before."""
        self._strangers.pop(socket, None)
        self._vouched.discard(socket)
