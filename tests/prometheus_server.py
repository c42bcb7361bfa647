"""A real Prometheus for tests: its own folder, a free port on loopback, filled with what a test has made.

`server(text, rules)` has blocks made of OpenMetrics text by `promtool tsdb create-blocks-from openmetrics`.
Where Prometheus is not installed, tests that ask are skipped and say so. Nothing is left of it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 30.0
STOP_S = 20.0

Series = list[tuple[float, float]]
"""Times in seconds since 1970, and values; what is no number is left out."""


def program(name: str) -> str:
    """`prometheus` or `promtool`."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return found


def promtool(*arguments: str) -> str:
    """Runs it; answers what it says."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Server:
    """One that runs."""

    client: httpx.Client

    def series(self, expression: str, begin: float, end: float, step_s: float = 15) -> list[Series]:
        """What an expression is worth over a time: each series that has a number."""
        wanted: dict[str, Any] = {"query": expression, "start": begin, "end": end, "step": step_s}
        answer: Any = self.client.get("/api/v1/query_range", params=wanted).json()
        assert answer["status"] == "success", (expression, answer)
        found = ([(at, float(value)) for at, value in one["values"]] for one in answer["data"]["result"])
        numbers = ([(at, value) for at, value in one if value == value] for one in found)
        return [one for one in numbers if one]

    def value(self, expression: str) -> float | None:
        """What it is worth now: the first of its series; None where there is none."""
        answer: Any = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> set[str]:
        """The names of the alerts that it has loaded."""
        answer: Any = self.client.get("/api/v1/rules", params={"type": "alert"}).json()
        return {rule["name"] for group in answer["data"]["groups"] for rule in group["rules"]}


@contextlib.contextmanager
def server(text: bytes, rules: Path) -> Iterator[Server]:
    """A Prometheus with these samples, and these rules loaded."""
    with tempfile.TemporaryDirectory(prefix="callbridge-prometheus-") as place:
        folder = Path(place)
        (folder / "samples").write_bytes(text)
        promtool(
            *("tsdb", "create-blocks-from", "openmetrics", "--quiet"),
            *(str(folder / "samples"), str(folder / "data")),
        )
        with running(folder, f"rule_files: [{rules}]\n") as prometheus:
            yield prometheus


@contextlib.contextmanager
def running(folder: Path, configuration: str) -> Iterator[Server]:
    """A Prometheus with its configuration, data and log in this folder."""
    command, port = program("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(configuration, encoding="utf-8")
    arguments = [
        *(f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, *arguments], stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            _wait_until_ready(client, folder / "log")
            yield Server(client)
    finally:
        process.terminate()
        process.wait(STOP_S)


def _wait_until_ready(client: httpx.Client, log: Path) -> None:
    ends_at = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/-/ready").status_code == 200:
                return
        assert time.monotonic() < ends_at, log.read_text(encoding="utf-8")
        time.sleep(0.05)
