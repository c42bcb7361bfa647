"""The server of one worker: accepts beside others, tells its supervisor that it serves, does what that says.

Signals are for the supervisor: systemd sends one to every process of a service, and two would mean more than
one. A worker whose supervisor is gone drains by itself, and from then on heeds signals as a process that is
alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from callbridge.server.process.listening.accepting import Acceptor
from callbridge.server.process.listening.listening import CallServer
from callbridge.server.process.listening.seat import BEAT, ENDS, READY, Board, Order, orders_in
from callbridge.server.process.listening.serving import serving
from callbridge.switchboard.draining import DrainStep
from callbridge.switchboard.heartbeats import BEAT_S
from callbridge.switchboard.sharing import Share, waits_s

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from types import FrameType

    import uvicorn

    from callbridge.observe.loop_watch import LoopWatch
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.drain import Drain
    from callbridge.server.process.listening.listening import Control
    from callbridge.server.process.listening.seat import Seat
    from callbridge.server.process.live_calls import LiveCalls

_CLOSE = (b"connection", b"close")

_log = structlog.get_logger()


class WorkerServer(CallServer):
    """A `CallServer` among others."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        drain: Drain,
        *,
        seat: Seat,
        live_calls: LiveCalls,
        loop_watch: LoopWatch | None = None,
        control: Control | None = None,
        control_elsewhere: Callable[[], Control | None] = lambda: None,
        agents: Iterable[str] = (),
    ) -> None:
        """A server that does not yet listen.

        Args:
            config: what `uvicorn_config` made.
            settings: for the line that says it is ready.
            drain: decides when to stop.
            seat: what the supervisor gave.
            live_calls: the calls that others compare theirs with.
            loop_watch: watches the loop for as long as this serves.
            control: where operators ask, until this worker leaves: then the next one is asked there.
            control_elsewhere: makes where they ask while it leaves.
            agents: the names of who answers.
        """
        super().__init__(config, settings, drain, loop_watch=loop_watch, control=control, agents=agents)
        self._seat = seat
        self._live_calls = live_calls
        self._control_elsewhere = control_elsewhere
        self._line = seat.open_line()
        self._board = Board(seat.board, seat.of)
        self._share = Share()
        self._doors: list[Acceptor] = []
        self._arrivals: asyncio.Queue[socket.socket] = asyncio.Queue()
        self._has_supervisor = True
        self._signals = 0
        """What the line has said so far, in signals."""
        self._leaves = asyncio.Event()

    # --- Listening ---

    async def listen(self, sockets: list[socket.socket] | None) -> None:
        """Accepts beside the others, and says so."""
        await super().listen([])
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            listener.setblocking(False)
            listener.listen(self.config.backlog)
            self._doors.append(Acceptor(listener, self._welcome, self._wait_for_others))
        self._write_load()
        loop.add_reader(self._line, self._hear)
        self._live_calls.watch(self._calls_changed)
        self._say(READY)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # Nobody is there any more, which is heard; or they do not read.
            self._line.send(word)

    def _welcome(self, connection: socket.socket) -> None:
        self._share.accepted(self._now())
        self._write_load()
        self._arrivals.put_nowait(connection)

    def _wait_for_others(self) -> float:
        return waits_s(self._write_load(), self._board.others(self._seat.number))

    def _calls_changed(self, _live: int) -> None:
        self._write_load()

    def _write_load(self) -> int:
        drains = self._drain.step is not DrainStep.SERVING
        load = self._share.load(len(self._live_calls), self._now(), drains=drains)
        if not self._leaves.is_set():  # By then the place on the board is another's.
            self._board.write(self._seat.number, load)
        return load

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def main_loop(self) -> None:
        """Serves, with what is done beside that, until the drain is done."""
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._begin_connections(), name="connections begin"),
                tasks.create_task(self._answer_operators_elsewhere(), name="control of a worker that leaves"),
                tasks.create_task(self._beat(), name="heartbeat"),
            ]
            await super().main_loop()
            self._close_doors()
            for task in beside:
                task.cancel()
        self._say(ENDS)
        while not self._arrivals.empty():
            self._arrivals.get_nowait().close()

    async def _begin_connections(self) -> None:
        """From here on uvicorn has them."""
        loop = asyncio.get_running_loop()
        while True:
            connection = await self._arrivals.get()
            with contextlib.suppress(OSError):  # It has gone again.
                await loop.connect_accepted_socket(self._make_protocol, connection)

    async def _beat(self) -> None:
        """For who watches this worker beside itself."""
        while True:
            self._say(BEAT)
            await asyncio.sleep(BEAT_S)

    def _make_protocol(self) -> asyncio.Protocol:
        """As uvicorn makes them for its own listeners."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # As above.
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    # --- What the supervisor says ---

    def _hear(self) -> None:
        try:
            data = self._line.recv(64)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._supervisor_is_gone()
        for order in orders_in(data):
            self._obey(order)

    def _obey(self, order: Order) -> None:
        if order is Order.LEAVE:
            self._leave()
        else:
            self._drain.others_go_on = False
        while self._signals < order.signals:
            self._signals += 1
            self._signalled()

    def _leave(self) -> None:
        """What comes is for the others; who has a connection here is told to open the next one anew."""
        if self._leaves.is_set():
            return
        self._drain.others_go_on = True
        self._close_doors()
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        self._leaves.set()

    def _close_doors(self) -> None:
        for door in self._doors:
            door.close()

    def _supervisor_is_gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        self._has_supervisor = False
        _log.error("supervisor_gone", remedy="this worker drains and exits: start the service again")
        self._obey(Order.DRAIN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: of no meaning while there is a supervisor, who has it as well."""
        if not self._has_supervisor:
            super().handle_exit(sig, frame)

    # --- Operators ---

    async def _answer_operators_elsewhere(self) -> None:
        """The next worker of this number is asked where this one was: this one is asked at the last port."""
        await self._leaves.wait()
        if self.control_server is not None:
            for server in self.control_server.servers:
                server.close()
        control = self._control_elsewhere()
        if control is not None:
            async with serving(*control):
                await asyncio.Event().wait()
