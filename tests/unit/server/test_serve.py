"""`callbridge serve`: how uvicorn is set up, what is said at the start, how it stops, refusals in words."""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import structlog
from fastapi import FastAPI, WebSocket
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from callbridge.cli import app as cli
from callbridge.observe.loop_watch import LoopWatch
from callbridge.server import listening
from callbridge.server.drain import Drain, Stage
from callbridge.server.fast_lane import FastLaneProtocol
from callbridge.server.listening import CallServer, tcp_listener, uvicorn_config
from callbridge.server.live_calls import LiveCalls
from callbridge.server.settings import Settings, read_settings
from leftovers import until
from machine import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

NEEDED = {
    "OPENAI_API_KEY": "sk-test-key",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "f" * 32,
    "PUBLIC_BASE_URL": "https://calls.example.com",
}
SOURCE = Path(__file__).parents[3] / "src"


def test_uvicorn_is_set_up_for_calls() -> None:
    """Every setting that a live call depends on is as decided, not as uvicorn has it by default."""
    settings = read_settings(NEEDED | {"HOST": "127.0.0.1", "PORT": "8099"})
    config = uvicorn_config(FastAPI(), settings)
    assert (config.host, config.port) == ("127.0.0.1", 8099)
    assert config.workers == 1
    assert config.ws is FastLaneProtocol
    assert config.http == "httptools"
    assert config.loop == "auto"
    assert config.lifespan == "on"
    assert config.ws_max_size == 65_536
    assert config.ws_ping_interval is None
    for switched_off in (
        config.ws_per_message_deflate,
        config.proxy_headers,
        config.access_log,
        config.server_header,
        config.log_config,
        config.limit_concurrency,
    ):
        assert not switched_off


async def test_ready_is_said_once_the_port_answers() -> None:
    """One line names the webhook to enter at Twilio, and by then the port answers."""
    app = FastAPI()
    settings = read_settings(NEEDED | {"HOST": "127.0.0.1"})
    config = uvicorn_config(app, settings)
    with tcp_listener() as listener:
        port = listener.getsockname()[1]
        server = CallServer(config, settings, Drain(LiveCalls(), 240))
        config.load()
        server.lifespan = config.lifespan_class(config)
        with structlog.testing.capture_logs() as logs:
            await server.startup(sockets=[listener])
        try:
            (line,) = logs
            assert (line["event"], line["log_level"]) == ("ready", "info")
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


# --- Stopping -------------------------------------------------------------------------------------


class Call:
    """A call on a media socket that ends when it is asked to hand over, if it is willing to."""

    def __init__(self, *, is_willing: bool) -> None:
        self.is_willing = is_willing
        self.is_asked = asyncio.Event()

    def hand_over(self) -> None:
        if self.is_willing:
            self.is_asked.set()

    def phone_replaced(self) -> None:
        raise AssertionError("nothing replaces it here")


class World:
    """A server with live calls, and what is left of it."""

    def __init__(
        self, last_steps: Sequence[Callable[[], Awaitable[None]]] = (), drain_s: float = 240
    ) -> None:
        self.live_calls = LiveCalls()
        self.drain = Drain(self.live_calls, drain_s)
        self.ended: list[str] = []
        self.is_willing = True
        app = FastAPI()
        app.add_api_websocket_route("/media-stream", self._carry)
        app.add_api_route("/asked", self._asked)
        self.listener = tcp_listener()
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        settings = read_settings(NEEDED | {"HOST": "127.0.0.1"})
        self.watch = LoopWatch(has_last_resort=False)
        self.server = CallServer(
            uvicorn_config(app, settings), settings, self.drain, loop_watch=self.watch, last_steps=last_steps
        )

    async def _asked(self) -> dict[str, str]:
        return {"stage": self.drain.stage}

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
        """The stage as a webhook finds it, over a new connection."""
        async with httpx.AsyncClient() as client:
            return str((await client.get(f"http://{self.address}/asked")).json()["stage"])

    def signal(self, number: int = signal.SIGTERM) -> None:
        """What Python does for a signal."""
        self.server.handle_exit(number, None)


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[asyncio.Task[None]]:
    """Serves; by the end of the context the server must have stopped by itself, in order."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(world.server.serve(sockets=[world.listener]))
        await until(lambda: world.server.started)
        yield serving


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio asks what follows a stream sooner than in life."""
    monkeypatch.setattr("callbridge.server.drain.ACTION_S", 0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_without_calls_ends_within_a_second(number: int) -> None:
    world = World()
    async with running(world) as serving, Machine() as machine:
        began_at = asyncio.get_running_loop().time()
        world.signal(number)
        await serving
        took_s = asyncio.get_running_loop().time() - began_at
    machine.judge([f"it took {took_s:.1f} s"] if took_s >= 1 else [], tolerates_ms=100)
    assert world.watch.lags.count > 0
    # uvicorn would raise what it has noted, and the process would not end with 0.
    assert world.server._captured_signals == []


async def test_a_signal_during_a_call_lets_it_go_on(soon: None) -> None:
    """The call keeps its socket and new connections are answered until it ends, and for a moment after."""
    world = World()
    async with running(world) as serving, connect(f"ws://{world.address}/media-stream") as phone:
        await until(lambda: len(world.live_calls) == 1)
        world.signal()
        await until(lambda: world.drain.stage is Stage.DRAINING)
        assert await world.ask() == "draining"
        await phone.ping()
        assert not serving.done()
        await phone.close()
        assert await world.ask() == "draining"  # As Twilio does when the stream has ended.
        await serving
    assert world.ended == ["cut or closed"]


async def test_a_second_signal_hands_over_at_once(soon: None) -> None:
    world = World()
    async with running(world), connect(f"ws://{world.address}/media-stream") as phone:
        await until(lambda: len(world.live_calls) == 1)
        world.signal()
        world.signal()
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "handed over")
        assert await world.ask() == "handing_over"
    assert world.ended == ["handed over"]


async def test_time_up_hands_over(soon: None) -> None:
    world = World(drain_s=0.1)
    async with running(world), connect(f"ws://{world.address}/media-stream") as phone:
        await until(lambda: len(world.live_calls) == 1)
        world.signal()
        with pytest.raises(ConnectionClosed):
            await phone.recv()
    assert world.ended == ["handed over"]


async def test_a_third_signal_cuts_what_is_left() -> None:
    """What does not hand over is cut with 1012, RFC 6455's code for a restart."""
    world = World()
    world.is_willing = False
    async with running(world), connect(f"ws://{world.address}/media-stream") as phone:
        await until(lambda: len(world.live_calls) == 1)
        for _ in range(3):
            world.signal()
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


async def test_last_steps_are_taken_after_the_last_call_each_for_itself(soon: None) -> None:
    """In their order, after the calls have ended; one that fails is logged and keeps no other back."""
    taken: list[object] = []

    async def first() -> None:
        taken.append(("first", list(world.ended)))

    async def failing() -> None:
        raise OSError("disk full")

    async def last() -> None:
        await asyncio.sleep(0)
        taken.append("last")

    world = World([first, failing, last])
    with structlog.testing.capture_logs() as logs:
        async with running(world), connect(f"ws://{world.address}/media-stream") as phone:
            await until(lambda: len(world.live_calls) == 1)
            world.signal()
            world.signal()
            await phone.wait_closed()
    assert taken == [("first", ["handed over"]), "last"]
    (failed,) = [line for line in logs if line["event"] == "last_step_failed"]
    assert str(failed["exc_info"]) == "disk full"


async def test_a_last_step_that_hangs_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LAST_STEPS_S", 0.05)
    world = World([asyncio.Event().wait])  # type: ignore[list-item]  # what it answers does not matter
    with structlog.testing.capture_logs() as logs:
        async with running(world):
            world.signal()
    assert "last_steps_cut" in [line["event"] for line in logs]


async def test_a_signal_after_the_drain_waits_for_nothing() -> None:
    world = World()
    async with running(world) as serving:
        world.signal()
        await until(lambda: world.server.should_exit)
        world.signal()
        await serving
    assert world.server.force_exit


@pytest.fixture
def only_these(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process whose settings are those that the test sets."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_missing_settings_end_in_words(only_these: pytest.MonkeyPatch) -> None:
    """Without its settings the service says what it needs, with status 1 and no traceback."""
    result = CliRunner().invoke(cli, ["serve"])
    assert result.exit_code == 1
    for name in NEEDED:
        assert f"{name} is not set." in result.output
    assert "Traceback" not in result.output


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | NEEDED | {"PYTHONPATH": str(SOURCE), "HOST": "127.0.0.1"} | changes


COMMAND = [sys.executable, "-c", "from callbridge.cli import main; main()", "serve"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AGENT", "nowhere:agent", "AGENT=nowhere:agent"),
        ("CLIP", "nowhere.wav", "nowhere.wav"),
        ("STATE_PATH", "nowhere/state.sqlite", "nowhere"),
    ],
)
def test_what_cannot_be_opened_ends_in_words(tmp_path: Path, name: str, value: str, words: str) -> None:
    """A wrong AGENT, CLIP or STATE_PATH is told in words, with status 1 and no traceback."""
    result = subprocess.run(  # noqa: S603 - our own command
        COMMAND,
        cwd=tmp_path,
        env=environment(tmp_path, **{name: value}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert words in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_service_starts_says_so_and_stops_on_sigterm(tmp_path: Path) -> None:
    """The real process logs one JSON line when ready, answers, and ends when it is told to."""
    with tcp_listener() as listener:
        port = listener.getsockname()[1]
    with subprocess.Popen(  # noqa: S603 - our own command
        COMMAND,
        cwd=tmp_path,
        env=environment(tmp_path, PORT=str(port)),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = json.loads(process.stderr.readline())
            assert line["event"] == "ready"
            assert line["webhook"] == "https://calls.example.com/twilio/voice"
            assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            assert "Traceback" not in process.stderr.read()
            assert process.returncode == 0
        finally:
            process.kill()


def test_port_in_use_ends_in_words(tmp_path: Path) -> None:
    """A port that is taken ends the start with a line about it, not with a traceback."""
    with tcp_listener() as listener:
        result = subprocess.run(  # noqa: S603 - our own command
            COMMAND,
            cwd=tmp_path,
            env=environment(tmp_path, PORT=str(listener.getsockname()[1])),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert json.loads(line)["level"] == "error"
    assert "address already in use" in json.loads(line)["event"]
