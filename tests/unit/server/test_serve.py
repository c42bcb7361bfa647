"""`callbridge serve`: how uvicorn is set up, what is said at the start, and refusals in words."""

from __future__ import annotations

import asyncio
import http
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from typer.testing import CliRunner

from callbridge.cli import app as cli
from callbridge.server.fast_lane import FastLaneProtocol
from callbridge.server.listening import CallServer, tcp_listener, uvicorn_config
from callbridge.server.settings import Settings, read_settings

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
        server = CallServer(config, settings)
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


def test_agent_that_cannot_be_loaded_ends_in_words(tmp_path: Path) -> None:
    """A wrong AGENT is told in words, with status 1 and no traceback."""
    result = subprocess.run(  # noqa: S603 - our own command
        COMMAND,
        cwd=tmp_path,
        env=environment(tmp_path, AGENT="nowhere:agent"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert "AGENT=nowhere:agent" in result.stdout
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
            process.wait(timeout=10)
            assert "Traceback" not in process.stderr.read()
            # uvicorn raises the signal again once it has stopped in order.
            assert process.returncode in {0, -signal.SIGTERM}
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
            timeout=30,
            check=False,
        )
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert json.loads(line)["level"] == "error"
    assert "address already in use" in json.loads(line)["event"]
