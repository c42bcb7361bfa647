"""`callbridge serve`: how uvicorn is set up, what is said at the start, how it stops, refusals in words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import structlog
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from callbridge.observe.loop_watch import LoopWatch
from callbridge.server.process.drain import Drain
from callbridge.server.process.listening.fast_lane import FastLaneProtocol
from callbridge.server.process.listening.http_protocol import BoundedHttpProtocol
from callbridge.server.process.listening.listening import (
    CallServer,
    tcp_listener,
    tcp_listeners,
    uvicorn_config,
)
from callbridge.server.process.live_calls import LiveCalls
from callbridge.switchboard.draining import DrainStep
from desks import NEEDED, LiveCall, made_settings
from leftovers import open_sockets, until
from ports import free_port

SOURCE = Path(__file__).parents[4] / "src"


def test_uvicorn_is_set_up_for_calls() -> None:
    settings = made_settings({"CALLBRIDGE_HOST": "127.0.0.1", "PORT": "8099"})
    config = uvicorn_config(FastAPI(), settings)
    assert (config.host, config.port) == ("127.0.0.1", 8099)
    assert (config.workers, config.ws) == (1, FastLaneProtocol)
    assert cast("functools.partial[object]", config.http).func is BoundedHttpProtocol
    # Longer than a proxy keeps a connection: 900 s at Cloudflare's.
    assert config.timeout_keep_alive > 900
    assert (config.loop, config.lifespan) == ("auto", "on")
    assert (config.ws_max_size, config.ws_ping_interval) == (65_536, None)
    off = "ws_per_message_deflate proxy_headers access_log server_header log_config limit_concurrency"
    assert not any(getattr(config, name) for name in off.split())


async def test_ready_is_said_once_the_port_answers() -> None:
    app = FastAPI()
    settings = made_settings({"CALLBRIDGE_HOST": "127.0.0.1"})
    config = uvicorn_config(app, settings)
    with tcp_listener() as listener:
        port = listener.getsockname()[1]
        server = CallServer(config, settings, Drain(LiveCalls(), 240), agents=["bakery", "clinic"])
        config.load()
        server.lifespan = config.lifespan_class(config)
        with structlog.testing.capture_logs() as logs:
            await server.startup(sockets=[listener])
        try:
            (line,) = logs
            assert (line["event"], line["log_level"]) == ("ready", "info")
            assert line["agents"] == "bakery, clinic"
            assert line["webhook"] == "https://calls.example.com/twilio/voice"
            assert "Twilio console" in line["next_step"]
            async with asyncio.timeout(5), httpx.AsyncClient() as client:
                response = await client.get(f"http://127.0.0.1:{port}/nothing")
            assert response.status_code == http.HTTPStatus.NOT_FOUND
            assert "server" not in response.headers
        finally:
            await server.shutdown(sockets=[listener])


async def test_connections_of_a_listener_send_at_once() -> None:
    """No accepted connection holds a small message back until the last one was acknowledged."""
    no_delay: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        no_delay.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        await writer.wait_closed()

    with tcp_listener() as listener:
        server = await asyncio.start_server(accepted, sock=listener)
        async with server, asyncio.timeout(5):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await no_delay != 0
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("::", ["127.0.0.1", "::1"]),
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 - only a test
        ("::1", ["::1"]),
        ("localhost", ["localhost"]),
    ],
)
async def test_a_host_is_listened_on_at_all_its_addresses(host: str, reached_at: list[str]) -> None:
    """`::` is both families, which Python's own way to listen would not make of it."""
    with contextlib.ExitStack() as opened:
        listeners = [opened.enter_context(listener) for listener in tcp_listeners(host, 0)]
        for address in reached_at:
            with socket.create_connection((address, listeners[0].getsockname()[1]), timeout=5):
                pass


def test_an_address_that_the_machine_has_not_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is the only one."""
    real = socket.getaddrinfo
    names = {"both": ["192.0.2.1", "127.0.0.1"], "none": ["192.0.2.1"]}

    def found(host: str, *given: Any, **more: Any) -> list[Any]:
        return [entry for address in names[host] for entry in real(address, *given, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    (listener,) = tcp_listeners("both", 0)
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError, match="assign"):
        tcp_listeners("none", 0)


def test_where_one_cannot_listen_nothing_is_left_open() -> None:
    before = open_sockets()
    with tcp_listener() as taken, pytest.raises(OSError, match="in use"):
        tcp_listeners("127.0.0.1", taken.getsockname()[1])
    assert open_sockets() == before


class Call(LiveCall):
    """A call on a media socket that ends when it is asked to hand over, if it is willing to."""

    def __init__(self, *, is_willing: bool) -> None:
        super().__init__()
        self.is_willing = is_willing
        self.is_asked = asyncio.Event()

    def hand_over(self) -> None:
        if self.is_willing:
            self.is_asked.set()


class World:
    """A server with live calls, and what is left of it."""

    def __init__(self) -> None:
        self.live_calls = LiveCalls()
        self.drain = Drain(self.live_calls, 240)
        self.ended: list[str] = []
        self.is_willing = True
        app = FastAPI()
        app.add_api_websocket_route("/media-stream", self._carry)
        app.add_api_route("/asked", self._asked)
        self.listener = tcp_listener()
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        settings = made_settings({"CALLBRIDGE_HOST": "127.0.0.1"})
        self.client = httpx.AsyncClient()  # It takes a while to make one.
        self.watch = LoopWatch(has_last_resort=False)
        self.server = CallServer(uvicorn_config(app, settings), settings, self.drain, loop_watch=self.watch)

    async def _asked(self) -> dict[str, str]:
        return {"step": self.drain.step}

    async def _carry(self, websocket: WebSocket) -> None:
        call = Call(is_willing=self.is_willing)
        await websocket.accept()
        self.live_calls.add("CA1", call)
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(call.is_asked.wait())
            heard = tasks.create_task(websocket.receive())
            await asyncio.wait([asked, heard], return_when=asyncio.FIRST_COMPLETED)
            self.ended.append("cut or closed" if heard.done() else "handed over")
            if not heard.done():
                await websocket.close(1000, "handed over")
            asked.cancel()
            heard.cancel()
        self.live_calls.remove("CA1", call)

    async def ask(self) -> str:
        """The step as a webhook finds it, over a new connection."""
        answer = await self.client.get(f"http://{self.address}/asked", headers={"Connection": "close"})
        return str(answer.json()["step"])

    def signal(self) -> None:
        """What Python does for a signal."""
        self.server.handle_exit(signal.SIGTERM, None)


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[asyncio.Task[None]]:
    """Serves; by the end of the context the server must have stopped by itself, in order."""
    async with asyncio.timeout(20), world.client, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(world.server.serve(sockets=[world.listener]))
        await until(lambda: world.server.started)
        yield serving


@contextlib.asynccontextmanager
async def calling(world: World) -> AsyncIterator[ClientConnection]:
    """A phone whose call is live."""
    async with connect(f"ws://{world.address}/media-stream") as phone:
        await until(lambda: len(world.live_calls) == 1)
        yield phone


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio asks what follows a stream sooner than in life."""
    monkeypatch.setattr("callbridge.switchboard.draining.ACTION_S", 0.2)


async def test_a_signal_during_a_call_lets_it_go_on(soon: None) -> None:
    """The call keeps its socket and new connections are answered until it ends, and for a moment after."""
    world = World()
    async with running(world) as serving, calling(world) as phone:
        world.signal()
        await until(lambda: world.drain.step is DrainStep.DRAINING)
        assert await world.ask() == "draining"
        await phone.ping()
        assert not serving.done()
        await phone.close()
        assert await world.ask() == "draining"  # As Twilio does when the stream has ended.
        await serving
    assert world.ended == ["cut or closed"]
    assert world.watch.lags.count > 0
    # uvicorn would raise what it has noted, and the process would not end with 0.
    assert world.server._captured_signals == []


async def test_a_terminal_that_is_closed_drains() -> None:
    world = World()
    async with running(world) as serving:
        signal.raise_signal(signal.SIGHUP)
        await until(lambda: world.drain.step is not DrainStep.SERVING)
        await serving
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


async def test_who_was_started_to_outlive_its_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nohup` has the signal ignored."""
    world = World()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with running(world):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            world.signal()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("signals", "is_willing", "told", "ended"),
    [(2, True, (1000, "handed over"), ["handed over"]), (3, False, (1012, ""), ["cut or closed"])],
)
async def test_a_further_signal_ends_calls(
    soon: None, signals: int, is_willing: bool, told: tuple[int, str], ended: list[str]
) -> None:
    """The second hands over at once. The third cuts what does not hand over, with 1012, RFC 6455's code for a
    restart.
    """
    world = World()
    world.is_willing = is_willing
    async with running(world), calling(world) as phone:
        for _ in range(signals):
            world.signal()
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == told
        if is_willing:
            assert await world.ask() == "handing_over"
    assert world.ended == ended


async def test_a_signal_after_the_drain_waits_for_nothing() -> None:
    world = World()
    async with running(world) as serving:
        world.signal()
        await until(lambda: world.server.should_exit)
        world.signal()
        await serving
    assert world.server.force_exit


COMMAND = [sys.executable, "-c", "from callbridge.cli import main; main()", "serve"]

ON_A_DESKTOP = {"LANGUAGE": "en_US:en", "HOST": "x86_64-conda-linux-gnu", "AGENT": "y"}
"""What Debian, conda and others set for themselves: no settings of ours."""


def environment(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ours = {"PYTHONPATH": str(SOURCE), "CALLBRIDGE_HOST": "127.0.0.1"}
    ours |= {"PORT": str(free_port()), "CALLBRIDGE_CONTROL_PORT": str(free_port())}
    return ON_A_DESKTOP | kept | NEEDED | ours | changes


def served(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """What a process that ends by itself has said."""
    return subprocess.run(  # noqa: S603 - our own command
        COMMAND,
        cwd=folder,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("CALLBRIDGE_CLIP", "nowhere.wav"), ("CALLBRIDGE_STATE_PATH", "nowhere/s.sqlite")]
)
def test_what_cannot_be_opened_ends_in_words(tmp_path: Path, name: str, value: str) -> None:
    """A name in doubt, which may be another program's, is logged before and keeps nobody from starting."""
    result = served(tmp_path, SPEND_PER_DAY_MAX="50", **{name: value})
    told = result.stdout + result.stderr
    assert result.returncode == 1
    assert value.partition("/")[0] in result.stdout
    assert "Traceback" not in told
    assert "setting_in_doubt" in told
    assert "CALLBRIDGE_SPEND_PER_DAY_MAX" in told
    assert not any(f'"{name} ' in told for name in ON_A_DESKTOP)


def test_port_in_use_ends_in_words(tmp_path: Path) -> None:
    with tcp_listener() as listener:
        listener_port = listener.getsockname()[1]
        result = served(tmp_path, PORT=str(listener_port))
    assert result.returncode == 1
    assert f"something listens on 127.0.0.1 port {listener_port} already" in result.stdout
    assert "another PORT" in result.stdout
    assert result.stderr == ""
