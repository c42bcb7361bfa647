"""One worker: it accepts beside others, says that it serves, and does what comes down its line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import tempfile
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect

from callbridge.server.process.drain import Drain
from callbridge.server.process.listening import working
from callbridge.server.process.listening.listening import tcp_listener, uvicorn_config
from callbridge.server.process.listening.seat import BEAT, ENDS, READY, Board, Order, Seat
from callbridge.server.process.listening.working import WorkerServer
from callbridge.server.process.live_calls import LiveCalls
from callbridge.switchboard.draining import DrainStep
from callbridge.switchboard.sharing import ABSENT
from desks import LiveCall, made_settings
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class World:
    """A worker of two, with what its supervisor has."""

    def __init__(self) -> None:
        self.listener = tcp_listener()
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        with tempfile.TemporaryFile() as file:
            self.board = Board.made(file.fileno(), 2)
            seat = Seat(
                number=0,
                of=2,
                line=theirs.detach(),
                board=file.fileno(),
                public=(self.listener.detach(),),
                control=None,
            )
            self.live_calls = LiveCalls()
            self.drain = Drain(self.live_calls, 240)
            app = FastAPI()
            app.add_api_route("/asked", self._asked)
            app.add_api_websocket_route("/media-stream", self._carry)
            settings = made_settings({"CALLBRIDGE_HOST": "127.0.0.1"})
            self.server = WorkerServer(
                uvicorn_config(app, settings),
                settings,
                self.drain,
                seat=seat,
                live_calls=self.live_calls,
            )
        self.public = seat.open_public()
        self.others_listener = self.public[0].dup()
        """The supervisor has it as well, so that nobody is refused."""

    async def _asked(self) -> dict[str, str | None]:
        return {"not_ready": self.drain.reason_not_ready()}

    async def _carry(self, websocket: WebSocket) -> None:
        call = LiveCall()
        await websocket.accept()
        self.live_calls.add("CA1", call)
        await websocket.receive()
        self.live_calls.remove("CA1", call)

    async def says(self) -> bytes:
        """The next word of the worker."""
        return await asyncio.get_running_loop().sock_recv(self.line, 1)

    def order(self, order: Order) -> None:
        self.line.send(order.value)

    @property
    def load(self) -> int:
        """What the worker tells the other one."""
        return self.board.others(1)[0]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """It serves; by the end it has stopped by itself."""
    monkeypatch.setattr("callbridge.switchboard.draining.ACTION_S", 0.2)
    world = World()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(world.server.serve(sockets=world.public))
        assert await world.says() == READY
        yield world
        with contextlib.suppress(OSError):
            world.order(Order.DRAIN)
        await serving
    world.line.close()
    world.others_listener.close()
    world.board.close()


async def test_it_takes_what_comes_and_what_the_other_one_leaves(world: World) -> None:
    """A worker that has fewer calls and does not come keeps nobody waiting; its own calls are told."""
    world.board.write(1, 0)
    assert world.load == 0
    async with connect(f"ws://{world.address}/media-stream"):
        assert await until(lambda: len(world.live_calls) == 1)
        assert world.load >= 1
        (connection,) = world.server.server_state.connections
        tcp = connection.transport.get_extra_info("socket")
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "a small message goes at once"
        async with httpx.AsyncClient() as client:
            for _ in range(3):
                answer = await client.get(f"http://{world.address}/asked", headers={"Connection": "close"})
                assert answer.json() == {"not_ready": None}
    world.board.write(1, ABSENT)


@pytest.fixture
def quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "BEAT_S", 0.01)


async def test_its_heart_beats_until_its_loop_ends_as_it_should(quick_heart: None, world: World) -> None:
    assert [await world.says() for _ in range(2)] == [BEAT, BEAT]
    world.order(Order.DRAIN)
    while (word := await world.says()) == BEAT:
        pass
    assert word == ENDS


async def test_who_leaves_takes_no_new_connection_and_ends_those_that_are_kept(world: World) -> None:
    """Its calls go on; what a proxy still asks it is answered as by one that serves."""
    async with httpx.AsyncClient(base_url=f"http://{world.address}") as client:
        assert "connection" not in (await client.get("/asked")).headers
        async with connect(f"ws://{world.address}/media-stream") as phone:
            assert await until(lambda: len(world.live_calls) == 1)
            load = world.load
            world.order(Order.LEAVE)
            assert await until(lambda: world.drain.step is DrainStep.DRAINING)
            answer = await client.get("/asked")
            assert (answer.headers["connection"], answer.json()) == ("close", {"not_ready": None})
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/asked", timeout=httpx.Timeout(20, read=0.2))
            await phone.ping()
            world.order(Order.DRAIN)  # The other one goes as well: nobody takes calls any more.
            assert await until(lambda: world.drain.reason_not_ready() == "draining")
            assert world.drain.step is DrainStep.DRAINING, "what was said once is not said again"
            assert world.load == load, "its place on the board is another's by now"


async def test_signals_are_for_the_supervisor_until_it_is_gone(world: World) -> None:
    signal.raise_signal(signal.SIGTERM)
    async with connect(f"ws://{world.address}/media-stream") as phone:
        assert await until(lambda: len(world.live_calls) == 1)
        assert world.drain.step is DrainStep.SERVING
        world.line.close()
        assert await until(lambda: world.drain.step is DrainStep.DRAINING)
        signal.raise_signal(signal.SIGTERM)
        assert await until(lambda: world.drain.step is DrainStep.HANDING_OVER)
        await phone.close()


async def test_one_that_takes_no_calls_lets_the_other_go_first(world: World) -> None:
    """`callbridge drain` at one worker declines nobody whom the other one takes."""
    world.board.write(1, 500)
    world.drain.begin()
    taken = asyncio.get_running_loop().create_future()

    def accept() -> None:
        asyncio.get_running_loop().remove_reader(world.others_listener)
        connection, _ = world.others_listener.accept()
        taken.set_result(connection)

    world.others_listener.setblocking(False)
    loop = asyncio.get_running_loop()
    _, writer = await asyncio.open_connection(*world.address.split(":"))
    loop.call_later(0.05, loop.add_reader, world.others_listener, accept)
    (await taken).close()
    writer.close()
    world.drain.undo()
    world.board.write(1, ABSENT)
