"""uvicorn's connection for requests, with bounds: the shell of `http_bounds`, its timer and its transport.

It ends at the upgrade: a media socket passes through here once, with its head.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from callbridge.observe.first_of_kind import FirstOfKind
from callbridge.server.process.listening.http_bounds import (
    READ_WITHIN_S,
    WITHIN_S,
    BoundedConnection,
    Phase,
    Refusal,
    least_wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import h11
    from uvicorn import Config
    from uvicorn.server import ServerState

FULL: Final = "full"

FULL_REMEDY: Final = (
    "Somebody opens connections and asks for nothing: let only Twilio and your proxy reach the port, or "
    "raise the limit of open files (ulimit -n)."
)


class Crowd:
    """The connections of one server: how many there may be, and what was said of those that had to go."""

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        """Media sockets count among them, and are never dropped."""
        self._told = FirstOfKind()

    def tell(self, kind: str, now: float) -> None:
        """A line for the first of a kind, and then a count a minute: strangers decide how many there are."""
        count = self._told.take(kind, now)
        if count is not None:
            self._log(kind, count)

    async def tell_rest(self) -> None:
        """What of it is untold, when its minute is over. To be called now and then."""
        for kind, count in self._told.rest(asyncio.get_running_loop().time()):
            self._log(kind, count)

    def _log(self, kind: str, count: int) -> None:
        if kind == FULL:
            most = self.connections_max
            _log.warning("connections_dropped", connections_max=most, count=count, remedy=FULL_REMEDY)
        else:
            _log.warning("request_refused", reason=kind, count=count)


_log = structlog.get_logger()


def bounded_http(crowd: Crowd) -> Callable[..., asyncio.Protocol]:
    """What uvicorn is to make for each connection of `crowd`."""
    return functools.partial(BoundedHttpProtocol, crowd=crowd)


class BoundedHttpProtocol(H11Protocol):
    """One connection for requests."""

    conn: BoundedConnection
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # uvicorn says nothing of its None.

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = BoundedConnection()
        self.has_served = False
        """One of its requests was answered."""
        self.is_genuine = False
        """See `Waits`. The application says it, in the state of a request."""
        self.since = self.loop.time()
        """When its phase began."""
        self._crowd = crowd
        self._phase: Phase | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        """Runs while the peer does not read."""

    # What asyncio and uvicorn call.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn.
        """Somebody has come. If that is one too many, the least wanted go."""
        super().connection_made(transport)
        self._settle()
        if len(self.connections) > self._crowd.connections_max:
            self._make_room()

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(error)
        self._stop_clock()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Too much is on its way to a peer that does not read it: it may take its time, but not for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again, or is gone."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def handle_events(self) -> None:
        """Does all that what came allows to do: one request at most, until that is answered."""
        super().handle_events()
        if self.conn.refusal is not None and not self.transport.is_closing():
            self._refuse(self.conn.refusal)
        self._settle()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection over, with what a hasty peer has sent behind its head: uvicorn forgets it."""
        self._stop_clock()
        hasty = self.conn.trailing_data[0]
        super().handle_websocket_upgrade(event)
        if hasty and not self.transport.is_closing():
            media_socket: Any = self.transport.get_protocol()
            media_socket.data_received(hasty)

    def on_response_complete(self) -> None:
        """An answer is on its way; what waits behind it is read now."""
        self.has_served = True
        self.is_genuine = self.is_genuine or self.scope["state"].get("is_genuine", False)
        super().on_response_complete()
        self._settle()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that we do not know is a plain request (RFC 9110, section 7.8): no word of it."""

    # Within.

    @property
    def is_waiting(self) -> bool:
        """Whether nothing would be lost but a peer's time: no whole request is there."""
        return self._phase is not Phase.ANSWER

    def _make_room(self) -> None:
        here = (one for one in tuple(self.connections) if isinstance(one, BoundedHttpProtocol))
        waiting = (one for one in here if one.is_waiting)
        for one in least_wanted(waiting, self._crowd.connections_max):
            one._drop()  # One of us.
        self._crowd.tell(FULL, self.loop.time())

    def _drop(self) -> None:
        # At once: until the loop tells of its end, it would be counted, and another one go in its place.
        self.connections.discard(self)
        self.transport.abort()

    def _settle(self) -> None:
        """Looks at what it waits for, and for how long it may."""
        if self.transport.get_protocol() is not self:
            return  # A media socket by now.
        phase = Phase.CLOSING if self.transport.is_closing() else self.conn.phase(has_served=self.has_served)
        if phase is self._phase:
            return
        self._stop_clock()
        self._phase, self.since = phase, self.loop.time()
        within_s = WITHIN_S.get(phase, self.timeout_keep_alive)
        self._deadline = self.loop.call_later(within_s, self._overdue)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _overdue(self) -> None:
        match self._phase:
            case Phase.HEAD:
                self._refuse(Refusal.SLOW_HEAD)
            case Phase.FRESH | Phase.IDLE:
                self.transport.close()
            case Phase.ANSWER if self.cycle is not None and self.cycle.response_started:
                pass  # A long one, like what is followed live. See `pause_writing`.
            case _:
                self.transport.abort()
        self._settle()

    def _refuse(self, refusal: Refusal) -> None:
        """Says why, where nothing was said yet to this request, and reads no more.

        A second answer to one request would be taken for that to the next.
        """
        self._crowd.tell(refusal.name.lower(), self.loop.time())
        if self._phase is Phase.BODY and self.cycle is not None and self.cycle.response_started:
            self.transport.abort()
        else:
            self.transport.write(refusal.answer)
            self.transport.close()
