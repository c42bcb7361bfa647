"""The parts of examples/compose.yaml, started by hand: its settings, its proxy, its Prometheus.

Containers cannot be run everywhere; what stands in the file can. Only what a container gives is replaced:
names of other containers, files at their places, ports.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # It comes with moto, which ships no types of it.

from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import serve_model
from e2e.commands import run
from e2e.processes import services
from e2e.proxy import listening
from e2e.stack import CONNECTED_AND_ENDED, hello_and_goodbye, together, variables
from leftovers import until
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from e2e.processes import Service
    from e2e.stack import Stack

    Running: TypeAlias = AbstractAsyncContextManager[None]

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("nothing_left", "without_debugging")]

ROOT = Path(__file__).parents[2]
CERTIFICATE = ROOT / "tests" / "loopback.pem"
KEY = "k" * 32
NAMES = ("callbridge-1", "callbridge-2")


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated Twilio trusts the certificate of this machine."""
    for module in ("webhooks", "media_socket"):
        monkeypatch.setattr(
            f"callbridge.simulators.phone.{module}.tls_context",
            lambda: ssl.create_default_context(cafile=CERTIFICATE),
        )


def filled_in(values: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a container, with `${NAME:?}` as Compose fills it in."""
    return {
        name: re.sub(r"\$\{(\w+):\?\}", lambda found: given[found[1]], value)
        for name, value in values.items()
    }


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """A text in which each of `changes` was made, and stood."""
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


def proxy(compose: dict[str, Any], folder: Path, port: int, ports: list[int]) -> Running:
    """The HAProxy of the file before these services."""
    folder.mkdir()
    changes = {
        "bind :443 ssl crt /run/secrets/certificate": f"bind 127.0.0.1:{port} ssl crt {CERTIFICATE}",
        **{f"{name}:8080": f"127.0.0.1:{own}" for name, own in zip(NAMES, ports, strict=True)},
    }
    configuration = folder / "haproxy.cfg"
    configuration.write_text(replaced(compose["configs"]["proxy"]["content"], changes))
    return listening(["haproxy", "-W", "-f", str(configuration)], port, folder)


def prometheus(compose: dict[str, Any], folder: Path, port: int, ports: list[int]) -> Running:
    """The Prometheus of the file, which scrapes these control listeners."""
    folder.mkdir()
    (folder / "key").write_text(KEY)
    alerts = ROOT / "examples" / compose["configs"]["alerts"]["file"]
    changes = {
        "scrape_interval: 15s": "scrape_interval: 1s",
        "/run/secrets/control_key": str(folder / "key"),
        "/etc/prometheus/alerts.yml": str(alerts),
        **{f"{name}:8081": f"127.0.0.1:{own}" for name, own in zip(NAMES, ports, strict=True)},
    }
    configuration = folder / "prometheus.yml"
    configuration.write_text(replaced(compose["configs"]["prometheus"]["content"], changes))
    command = [
        *("prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return listening(command, port, folder)


async def until_scraped(port: int, services: int) -> None:
    """Until Prometheus has scraped so many services with success."""
    url = f"http://127.0.0.1:{port}/api/v1/query"
    async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as client:
        while True:
            answer = await client.get(url, params={"query": 'sum(up{job="callbridge"})'})
            result = answer.json()["data"]["result"]
            if result and int(result[0]["value"][1]) == services:
                return
            await asyncio.sleep(0.2)  # It is asked, and tells nobody.


@pytest.mark.usefixtures("trusting")
async def test_two_services_behind_their_proxy(
    tmp_path: Path, postgres_database: str, compose: dict[str, Any]
) -> None:
    """Both answer calls; one that empties gets no new ones, and its call goes on; Prometheus has both."""
    port, prometheus_port = free_port(), free_port()
    async with serve_model(hello_and_goodbye(6000)) as model:
        ordinary = variables(f"https://localhost:{port}", model.url)
        given = {**ordinary, "POSTGRES_PASSWORD": "secret", "CALLBRIDGE_CONTROL_KEY": KEY}
        settings = ordinary | filled_in(compose["services"][NAMES[0]]["environment"], given)
        assert settings["DATABASE_URL"] == "postgresql://callbridge:secret@postgres/callbridge"
        settings |= {"DATABASE_URL": postgres_database, "CALLBRIDGE_CONTROL_HOST": "127.0.0.1"}
        each = [
            settings
            | {"CALLBRIDGE_CONTROL_PORT": str(free_port()), "CALLBRIDGE_STATE_PATH": str(tmp_path / name)}
            for name in NAMES
        ]
        made = await run(tmp_path, *compose["services"]["migrate"]["command"][1:], variables=each[0])
        assert made.status == 0, made
        async with (
            services(tmp_path, *each) as running,
            proxy(compose, tmp_path / "proxy", port, [service.port for service in running]),
            prometheus(compose, tmp_path / "prometheus", prometheus_port, [*map(control_port, running)]),
        ):
            line = running[0].line(model)
            calls = await together(*(line.call([WaitForEnd()]) for _ in range(4)))
            served = [len(service.events("stream_started")) for service in running]
            await empties(running, line, tmp_path)
            await until_scraped(prometheus_port, len(NAMES))
    assert [(call.verbs, call.report.is_clean) for call in calls] == [(CONNECTED_AND_ENDED, True)] * 4
    assert min(served) >= 1, "a call goes where the fewest are"
    assert [service.faults for service in running] == [[], []]


def control_port(service: Service) -> int:
    return int(service.variables["CALLBRIDGE_CONTROL_PORT"])


async def empties(running: list[Service], line: Stack, folder: Path) -> None:
    """A live call comes to its end, new ones go to the other one; where both empty, both still answer."""
    first, second = running
    call = asyncio.create_task(line.call([WaitForEnd()]))
    assert await until(lambda: live_on(first) + live_on(second) == 1, 10)
    carrier, other = (first, second) if live_on(first) else (second, first)
    drained = asyncio.create_task(run(folder, "drain", variables=carrier.variables))
    assert await until(lambda: carrier.steps != [], 20)
    name = NAMES[running.index(carrier)]
    assert await until(lambda: f"Server ready/{name} is DOWN" in told_by_proxy(folder), 20)
    before = len(carrier.events("call_declined"))
    late = await together(*(line.call([WaitForEnd()]) for _ in range(2)))
    assert [found.verbs for found in [await call, *late]] == [CONNECTED_AND_ENDED] * 3
    assert len(carrier.events("call_declined")) == before
    assert len(other.events("stream_started")) >= 2
    assert (await drained).status == 0
    await run(folder, "drain", variables=other.variables)
    assert await until(lambda: "backend ready has no server available" in told_by_proxy(folder), 20)
    (nobody,) = await together(line.call([WaitForEnd()]))
    assert nobody.verbs == ["Say", "Hangup"], "where all of them empty callers hear a word"


def told_by_proxy(folder: Path) -> str:
    """What it has said so far: it asks each service once a second, and says what has changed."""
    return (folder / "proxy" / "output").read_text(encoding="utf-8")


def live_on(service: Service) -> int:
    return len(service.events("stream_started")) - len(service.events("stream_ended"))
