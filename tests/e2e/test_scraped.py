"""The service as it is run, asked by a real Prometheus with the configuration that we ship."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.server.config.settings import read_settings
from callbridge.server.http.control import control_key
from e2e.processes import Service, services
from e2e.stack import variables
from leftovers import until
from prometheus_server import running

if TYPE_CHECKING:
    from prometheus_server import Server

SHIPPED = Path(__file__).parents[2] / "examples" / "monitoring"
NO_MODEL = "ws://127.0.0.1:9"
SEEN_S = 20.0


def configuration(service: Service, folder: Path) -> str:
    """What we ship, with this target, asked each second; the key in a file, as there."""
    key = folder / "callbridge.key"
    key.write_text(control_key(read_settings(service.variables)), encoding="utf-8")
    text = (SHIPPED / "prometheus.yml").read_text("utf-8")
    for shipped, here in (
        ("/etc/prometheus/callbridge.key", str(key)),
        (
            '- targets: ["127.0.0.1:8081"]',
            f'- targets: ["127.0.0.1:{service.variables["CALLBRIDGE_CONTROL_PORT"]}"]',
        ),
        ("15s", "1s"),
        ("[alerts.yml]", f"[{SHIPPED / 'alerts.yml'}]"),
    ):
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    return text


async def becomes(prometheus: Server, expression: str, value: float) -> None:
    """Waits until an expression is worth that."""
    ends_at = time.monotonic() + SEEN_S
    while (found := prometheus.value(expression)) != value:
        assert time.monotonic() < ends_at, f"{expression} is {found}"
        await asyncio.sleep(0.1)


@pytest.mark.heavy
async def test_prometheus_reads_the_service_with_what_we_ship(tmp_path: Path) -> None:
    """Its key is taken, its format is understood, and what calls do is seen; a wrong key sees nothing."""
    async with services(tmp_path, variables("", NO_MODEL)) as (service,):
        folder = tmp_path / "prometheus"
        folder.mkdir()
        with running(folder, configuration(service, folder)) as prometheus:
            await becomes(prometheus, 'up{job="callbridge"}', 1)
            await becomes(prometheus, "count(callbridge_build_info)", 1)
            await service.offer("CA" + "5" * 32)
            await becomes(prometheus, "callbridge_calls_offered_total", 1)
            await becomes(prometheus, "callbridge_state_up", 1)
            assert "CallbridgeNoCallAnswered" in prometheus.rules()
            (folder / "callbridge.key").write_text("not the key", encoding="utf-8")
            await becomes(prometheus, 'up{job="callbridge"}', 0)
        # Of its log a thread takes care.
        assert await until(lambda: bool(service.events("control_refused")))
