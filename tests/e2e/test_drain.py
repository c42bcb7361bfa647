"""The real process and how it stops: signals, `callbridge drain`, and how soon another one is ready."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from e2e.commands import run
from e2e.processes import READY_S, Service, services
from e2e.stack import variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from machine import Machine

EXIT_S = 20.0
"""A second is promised; the machine that runs this is shared."""

NO_MODEL = "ws://127.0.0.1:1/v1/realtime"


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Service]:
    async with services(folder, variables("", NO_MODEL)) as (service,):
        yield service


def steps(service: Service) -> list[tuple[str, int]]:
    return [(line["event"], line["live_calls"]) for line in service.steps]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.heavy)])
async def test_an_idle_process_ends_with_0_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path) as service:
        service.signal(number)
        assert await service.ended(EXIT_S) == 0
    assert steps(service) == [("draining", 0), ("stopped", 0)]
    warnings = [line for line in service.log.splitlines() if '"level": "warning"' in line]
    assert [line for line in warnings if "loop_lagged" not in line] == [], "but for what a busy machine does"
    assert service.faults == []


@pytest.mark.heavy  # A process, which takes its time to start.
async def test_two_signals_in_a_row_end_with_0(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)
        assert await service.ended(EXIT_S) == 0


@pytest.mark.heavy
async def test_a_drain_by_command(tmp_path: Path) -> None:
    """It takes no new calls, answers everything else, and stays until a signal; the log holds no key."""
    async with serving(tmp_path) as service:
        assert await service.readiness() == (200, {"status": "ready"})
        ended = await run(tmp_path, "drain", variables=service.variables)
        assert (ended.status, ended.stdout) == (0, "no call is live\n"), ended
        assert await service.readiness() == (503, {"status": "not ready"})
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{service.url}/healthz")).status_code == 200
        undone = await run(tmp_path, "drain", "--undo", variables=service.variables)
        assert (undone.status, undone.stdout) == (0, "it takes calls\n"), undone
        assert await service.readiness() == (200, {"status": "ready"})
        port = service.variables["CALLBRIDGE_CONTROL_PORT"]
        elsewhere = service.variables | {"CALLBRIDGE_CONTROL_PORT": "1"}
        again = await run(tmp_path, "drain", "--url", f"http://127.0.0.1:{port}", variables=elsewhere)
        assert again.status == 0, again
        assert service.process.returncode is None
        service.signal(signal.SIGTERM)
        assert await service.ended(EXIT_S) == 0
    assert steps(service) == [("draining", 0), ("draining", 0), ("draining", 0), ("stopped", 0)]
    assert [line["live_calls"] for line in service.events("serving")] == [0]


@pytest.mark.heavy
async def test_cold_start(tmp_path: Path, figures: Callable[[str], None], machine: Machine) -> None:
    """From the start of the process until it answers `/readyz`, and what Python itself takes of that."""
    began_at = time.perf_counter()
    python = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    assert await python.wait() == 0
    python_s = time.perf_counter() - began_at
    began_at = time.perf_counter()
    async with serving(tmp_path):
        ready_s = time.perf_counter() - began_at
    figures(
        f"cold start: ready after {ready_s:.2f} s, of which Python alone {python_s:.2f} s (promised: 3 s)"
    )
    machine.judge([f"ready after {ready_s:.1f} s"] if ready_s >= READY_S else [], tolerates_ms=50)


BREAKS_THE_WRITER = """
from callbridge import Agent
from callbridge.state import writer


def fail(*_):
    raise RuntimeError("a fault of ours")


writer.write_batch = fail
agent = Agent()
"""


@pytest.mark.heavy  # The stream that was promised is waited for.
async def test_a_process_whose_state_is_gone_does_not_stay(tmp_path: Path) -> None:
    """It would decline everybody for ever. It says so, gives up in order and exits with 70."""
    (tmp_path / "broken.py").write_text(BREAKS_THE_WRITER)
    given = variables("", NO_MODEL, CALLBRIDGE_AGENT="broken:agent", CALLBRIDGE_STATE_PATH="state.db")
    async with services(tmp_path, given) as (service,):
        await service.offer("CA" + "1" * 32)
        assert await service.ended(EXIT_S) == 70
    assert [line["organ"] for line in service.events("organ_dead")] == ["state"]
    assert [step for step, _ in steps(service)] == ["handing_over", "stopped"]
