"""Which socket is which leg of a call at the moment, who reads it, and how it becomes another one.

Sessions are dialled, switched, dropped and parked here. What a leg says is told to the call; when any of this
is to be done is decided there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from callbridge.bridge.door import Door, nowhere
from callbridge.bridge.legs.leg import DialError
from callbridge.call.events import Event, Leg, ModelConnected, ModelDialFailed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from callbridge.bridge.closing import Closing
    from callbridge.bridge.legs.leg import Dialer, Read, SocketLeg
    from callbridge.bridge.relay import Relay
    from callbridge.bridge.waiting import WaitingRoom


class Owner(Protocol):
    """The call that has the legs."""

    relay: Relay

    @property
    def call_sid(self) -> str:
        """Twilio's name for it; empty before its stream has started."""

    @property
    def goes_on(self) -> bool:
        """Whether its stream has begun and not ended."""

    def own(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Makes a task that ends with the call."""

    def tell(self, event: Event) -> None:
        """Takes what a leg has come to."""

    def model_said(self, text: str | bytes) -> None:
        """One event of the model."""

    def spare_said(self, text: str | bytes) -> None:
        """One event of the second session."""


class CallLegs:
    """The legs of one call.

    Args:
        owner: the call.
        held: its sockets, by what they are at the moment.
        closing: closes those that are dropped.
        dialer: opens sessions of the model.
        waiting: where a session may wait for this call, and where one is left that it may come back to.
        wall_now: seconds since 1970.
    """

    def __init__(
        self,
        owner: Owner,
        held: dict[Leg, SocketLeg],
        closing: Closing,
        dialer: Dialer,
        waiting: WaitingRoom | None,
        wall_now: Callable[[], float],
    ) -> None:
        self._owner, self._held, self._closing = owner, held, closing
        self._dialer, self._waiting, self._wall_now = dialer, waiting, wall_now
        self._readers: dict[Leg, asyncio.Task[None]] = {}
        self._dials: dict[Leg, asyncio.Task[None]] = {}
        self._models: dict[Leg, str] = {}
        """The names under which the legs were dialled."""
        self._doors: dict[Leg, Door] = {}

    def read(self, leg: Leg, door: Read) -> None:
        """Begins to read a leg. What it is now may change: it is looked up when it ends."""
        self._readers[leg] = self._owner.own(self._read(self._held[leg], door), f"{leg.value} reader")

    async def _read(self, socket: SocketLeg, door: Read) -> None:
        event = await socket.read(door)
        if (leg := self._leg_of(socket)) is not None:
            self._owner.tell(replace(event, leg=leg))

    def _leg_of(self, socket: SocketLeg) -> Leg | None:
        """What a socket is now: a spare may have become the model leg, and who was dropped is nobody."""
        return next((leg for leg, held in self._held.items() if held is socket), None)

    def dial(self, model: str, leg: Leg) -> None:
        """Begins to dial a session; how that went is told."""
        self._dials[leg] = self._owner.own(self._dial(model, leg), f"{leg.value} dial")

    async def _dial(self, model: str, leg: Leg) -> None:
        waiting = None
        if self._waiting is not None and leg is Leg.MODEL:
            waiting = self._waiting.take(self._owner.call_sid, model)
        told: ModelConnected | ModelDialFailed
        try:
            socket = await (self._dialer.dial(model) if waiting is None else waiting.adopt())
        except DialError as error:
            told = replace(error.event, leg=leg)
        else:
            told = ModelConnected(leg, unix_s=self._wall_now())
            if waiting is not None:
                told = replace(told, is_warm=waiting.is_warm, renew_at=waiting.renew_at)
            self._held[leg], self._models[leg] = socket, model
            if leg is Leg.MODEL:
                self._owner.relay.send_to_model = socket.send
        # From here on the leg can be dropped without cancelling this task, which may be what drops it.
        self._dials.pop(leg, None)
        self._owner.tell(told)
        if isinstance(told, ModelConnected) and self._held.get(leg) is socket:
            door = Door(self._owner.model_said if leg is Leg.MODEL else self._owner.spare_said)
            self._doors[leg] = door
            self.read(leg, door)

    def stop_dials(self) -> None:
        """The call needs no further session."""
        for dial in self._dials.values():
            dial.cancel()

    def drop(self, leg: Leg) -> None:
        """Forgets a model leg: what it is at is cancelled, and its socket closed beside the call."""
        if (dial := self._dials.pop(leg, None)) is not None:
            dial.cancel()
        socket, reader = self._release(leg)
        if socket is None:
            return
        self._closing.dropped.append(socket)
        # At the end of the call it is closed with the others: then its tasks may have ended already.
        if self._owner.goes_on:
            self._owner.own(self._close_dropped(socket, reader), f"{leg.value} close")

    async def _close_dropped(self, socket: SocketLeg, reader: asyncio.Task[None] | None) -> None:
        await self._closing.close_dropped(socket)
        # Not sooner: what made us drop the leg may have failed in its reader, which then raises it.
        if reader is not None:
            reader.cancel()

    def _release(self, leg: Leg) -> tuple[SocketLeg | None, asyncio.Task[None] | None]:
        """Takes a leg out of the call. What was read of it already, or still is, leads nowhere."""
        if (door := self._doors.pop(leg, None)) is not None:
            door.leads_to = nowhere
        if leg is Leg.MODEL:
            self._owner.relay.send_to_model = None
        return self._held.pop(leg, None), self._readers.pop(leg, None)

    def switch(self) -> None:
        """The second session becomes the present one."""
        self.drop(Leg.MODEL)
        socket = self._held[Leg.MODEL] = self._held.pop(Leg.SPARE)
        self._models[Leg.MODEL] = self._models.pop(Leg.SPARE)
        self._readers[Leg.MODEL] = self._readers.pop(Leg.SPARE)
        # The same reader goes on: cancelling it could lose what comes in between.
        door = self._doors[Leg.MODEL] = self._doors.pop(Leg.SPARE)
        door.leads_to = self._owner.model_said
        self._owner.relay.send_to_model = socket.send

    def park(self, renew_at: float | None) -> None:
        """Leaves the session to wait for another stream of the call."""
        socket, reader = self._release(Leg.MODEL)
        if socket is None:
            return
        if reader is not None:  # At once: the next call reads it.
            reader.cancel()
        model, call_sid = self._models[Leg.MODEL], self._owner.call_sid
        if self._waiting is None or not self._waiting.park(call_sid, socket, model, renew_at):
            self._closing.dropped.append(socket)
