"""The end of a call's sockets: each is closed once, with the code that the call wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.call.actions import CloseLeg
from callbridge.call.events import Leg

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from structlog.typing import FilteringBoundLogger

    from callbridge.bridge.keeping import LastEntries
    from callbridge.bridge.legs.leg import SocketLeg


class Closing:
    """Closes the sockets of one call.

    Args:
        legs: what the call has at the moment; looked at, never changed.
        last_entries: are waited for before anything is closed.
        free: called when the phone is closed.
    """

    def __init__(
        self, legs: Mapping[Leg, SocketLeg], last_entries: LastEntries, free: Callable[[], None]
    ) -> None:
        self._legs, self._last_entries, self._free = legs, last_entries, free
        self.dropped: list[SocketLeg] = []
        """Being closed beside the call; what is left of them is closed at its end."""
        self.wishes: dict[Leg, CloseLeg] = {}
        """With which code what is to be closed. Written by the bridge."""
        self._closed: list[SocketLeg] = []

    async def close(self, log: FilteringBoundLogger, which: Container[Leg] = frozenset(Leg)) -> None:
        """Closes the legs that are left: a dial may succeed while the phone is being closed.

        First what was said is written down: the closed phone makes Twilio ask for somebody who reads it.
        """
        if self._open_legs():
            await self._last_entries.wait(log)
        async with asyncio.TaskGroup() as closing:
            for socket in self.dropped:
                if socket not in self._closed:
                    closing.create_task(self._close(socket, 1000, ""), name="dropped close")
            for leg, socket in self._open_legs().items():
                if leg in which:
                    closing.create_task(self._close_leg(leg, socket), name=f"{leg.value} close")

    async def close_dropped(self, socket: SocketLeg) -> None:
        """Closes one that the call goes on without."""
        await self._close(socket, 1000, "")
        self.dropped.remove(socket)

    async def _close_leg(self, leg: Leg, socket: SocketLeg) -> None:
        # The machine says nothing of a model leg that opened after the end.
        wish = self.wishes.get(leg, CloseLeg(leg, 1000, ""))
        await self._close(socket, wish.code, wish.reason)
        if leg is Leg.PHONE:
            self._free()

    def _open_legs(self) -> dict[Leg, SocketLeg]:
        return {leg: socket for leg, socket in self._legs.items() if socket not in self._closed}

    async def _close(self, socket: SocketLeg, code: int, reason: str) -> None:
        await socket.close(code, reason)
        self._closed.append(socket)
