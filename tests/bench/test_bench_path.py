"""The audio path alone: that what is measured is real calls, whose audio all passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import callbridge

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "agent",
    ["plain", *(pytest.param(agent, marks=pytest.mark.heavy) for agent in ("ordinary", "guest"))],
)
def test_every_kind_of_message_has_its_price(agent: str) -> None:
    """It ends by an assertion when a frame did not pass."""
    if agent == "guest":
        pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra")
    done = subprocess.run(  # noqa: S603 - our own command line
        (sys.executable, "-m", "bench.path", "--agent", agent, "--calls", "3", "--rounds", "2"),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(Path(callbridge.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    prices = {line[:16].strip(): float(line[16:].split()[0]) for line in done.stdout.splitlines()}
    assert list(prices) == ["frame up", "delta down", "echo of a mark", "piece of words", "per frame"]
    assert all(price > 0 for price in prices.values())
