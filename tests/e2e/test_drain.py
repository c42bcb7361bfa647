"""The real process and how it stops: signals, `callbridge drain`, and how soon another one is ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from callbridge.server.listening import tcp_listener
from e2e.commands import COMMAND, environment, run

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from machine import Machine

MADE_UP = {
    "OPENAI_API_KEY": "sk-made-up-key-that-is-long-enough",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "PUBLIC_BASE_URL": "https://calls.example.com",
    "HOST": "127.0.0.1",
}

EXIT_S = 20.0
"""A second is promised; the machine that runs this is shared."""

READY_S = 10.0
"""Three seconds are promised; the same."""


class Service:
    """`callbridge serve` in a process of its own, ready when this exists."""

    def __init__(self, process: Process, variables: dict[str, str], ready_after_s: float) -> None:
        self._process = process
        self.variables = variables
        self.ready_after_s = ready_after_s
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{variables['PORT']}")

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> tuple[int, list[dict[str, Any]]]:
        """Waits for its end: exit status, and the log after the line that said it was ready."""
        async with asyncio.timeout(EXIT_S):
            assert self._process.stderr is not None
            lines = (await self._process.stderr.read()).splitlines()
            return await self._process.wait(), [json.loads(line) for line in lines]

    async def readiness(self) -> tuple[int, Any]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json()


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Service]:
    with tcp_listener() as listener:
        variables = MADE_UP | {"PORT": str(listener.getsockname()[1])}
    began_at = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        cwd=folder,
        env=environment(variables),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(2 * READY_S):
            first = await process.stderr.readline()
        assert b'"event": "ready"' in first, first + await process.stderr.read()
        service = Service(process, variables, time.perf_counter() - began_at)
        async with service.client:
            yield service
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def stages(lines: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(line["event"], line["live_calls"]) for line in lines if "live_calls" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_process_ends_with_0_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path) as service:
        service.signal(number)
        status, lines = await service.ended()
    assert status == 0
    assert stages(lines) == [("draining", 0), ("stopped", 0)]
    assert not [line for line in lines if line["level"] not in {"info", "debug"}]


async def test_two_signals_in_a_row_end_with_0(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)
        status, _ = await service.ended()
    assert status == 0


async def test_a_drain_by_command(tmp_path: Path) -> None:
    """It takes no new calls, answers everything else, and stays until a signal; the log holds no key."""
    async with serving(tmp_path) as service:
        assert await service.readiness() == (200, {"status": "ready"})
        ended = await run(tmp_path, "drain", variables=service.variables)
        assert (ended.status, ended.stdout) == (0, "no call is live\n"), ended
        assert await service.readiness() == (503, {"status": "not ready", "reason": "draining"})
        assert (await service.client.get("/healthz")).status_code == 200
        again = await run(
            tmp_path,
            "drain",
            "--url",
            str(service.client.base_url),
            variables=service.variables | {"PORT": "1"},
        )
        assert again.status == 0, again
        assert service.is_running
        service.signal(signal.SIGTERM)
        status, lines = await service.ended()
    assert status == 0
    assert stages(lines) == [("draining", 0), ("draining", 0), ("stopped", 0)]


async def test_a_drain_with_another_token_is_refused(tmp_path: Path) -> None:
    """Without the key, or with a wrong one, nothing is told and nothing is changed."""
    async with serving(tmp_path) as service:
        ended = await run(tmp_path, "drain", variables=service.variables | {"TWILIO_AUTH_TOKEN": "1" * 32})
        assert ended.status == 1
        assert "TWILIO_AUTH_TOKEN" in ended.stderr
        assert "Traceback" not in ended.stderr
        for headers in ({}, {"Authorization": "Bearer " + "0" * 64}):
            for method in ("GET", "POST"):
                answer = await service.client.request(method, "/drain", headers=headers)
                assert (answer.status_code, answer.content) == (401, b"")
        assert await service.readiness() == (200, {"status": "ready"})


async def test_a_drain_of_nothing_is_told_in_words(tmp_path: Path) -> None:
    with tcp_listener() as listener:
        port = str(listener.getsockname()[1])
    ended = await run(tmp_path, "drain", variables=MADE_UP | {"PORT": port})
    assert ended.status == 1
    assert "cannot be reached" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_cold_start(tmp_path: Path, figures: Callable[[str], None], machine: Machine) -> None:
    """From the start of the process until it answers `/readyz`, and what Python itself takes of that."""
    began_at = time.perf_counter()
    python = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    assert await python.wait() == 0
    python_s = time.perf_counter() - began_at
    async with serving(tmp_path) as service:
        assert await service.readiness() == (200, {"status": "ready"})
        ready_s = service.ready_after_s
    figures(
        f"cold start: ready after {ready_s:.2f} s, of which Python alone {python_s:.2f} s (promised: 3 s)"
    )
    machine.judge([f"ready after {ready_s:.1f} s"] if ready_s >= READY_S else [], tolerates_ms=50)
