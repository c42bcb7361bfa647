"""Who reaches the port and knows no bounds: live calls go on, and Twilio is answered."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge.call.facts import EndReason
from callbridge.server.process.listening.descriptors import raise_limit
from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted
from callbridge.simulators.voice_model import SessionSettings, serve_model
from e2e.commands import COMMAND
from e2e.processes import services
from e2e.raw import ringing
from e2e.stack import (
    CONNECTED_AND_ENDED,
    FinishedCall,
    Log,
    Stack,
    hello_and_goodbye,
    stack,
    together,
    variables,
)
from leftovers import until
from raw_peer import RawPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from callbridge.simulators.phone import PhoneEvent

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

SILENT = 300
SILENT_HEAVY = 5000
GROWTH_BYTES_MAX = 60 * 1024 * 1024
"""Eight connections with endless heads took 347 MB."""

CHUNKED = b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PIPELINED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 500
ENDLESS = [
    *[(b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 1000)] * 8,
    (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
    (CHUNKED, b"1\r\nx\r\n" * 1000),
    (b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", b"x" * 6000),
    (b"", PIPELINED),
]


async def shout(port: int, begin: bytes, endless: bytes, on_cut: Callable[[], None] = lambda: None) -> None:
    """Sends without end, and opens another connection whenever one is taken away."""
    while True:
        peer = await RawPeer.call(port)
        with contextlib.closing(peer), contextlib.suppress(ConnectionError):
            await peer.send(begin)
            while True:
                await peer.send(endless)
                await asyncio.sleep(0.001)  # The service shares the loop, or the machine.
        on_cut()


async def webhook_is_answered(url: str, client: httpx.AsyncClient, number: int) -> None:
    answer = await client.post(url, **ringing(url, f"CA{number:032x}"))
    assert answer.status_code == 200
    assert "<Stream" in answer.text


@contextlib.asynccontextmanager
async def shouting(port: int) -> AsyncIterator[None]:
    """Strangers who send without end, for as long as the context."""
    async with asyncio.TaskGroup() as tasks:
        strangers = [tasks.create_task(shout(port, *endless)) for endless in ENDLESS]
        yield
        for stranger in strangers:
            stranger.cancel()


@contextlib.asynccontextmanager
async def silent(port: int, count: int) -> AsyncIterator[list[RawPeer]]:
    """Strangers who connect and say nothing."""
    peers: list[RawPeer] = []
    try:
        while len(peers) < count:
            peers += [await RawPeer.call(port)]
        yield peers
    finally:
        for peer in peers:
            peer.close()


async def call_meanwhile(
    running: Stack, attack: Callable[[], contextlib.AbstractAsyncContextManager[object]]
) -> FinishedCall:
    """A call, attacked from the moment at which its agent is heard to its end."""
    is_heard = asyncio.Event()

    def notice(event: PhoneEvent) -> None:
        if isinstance(event, AgentAudioStarted):
            is_heard.set()

    async with asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(running.finish(running.phone([WaitForEnd()], on_event=notice)))
        await is_heard.wait()
        async with attack(), httpx.AsyncClient(trust_env=False) as client:
            number = 0
            while not calling.done():
                number += 1
                await webhook_is_answered(running.settings.voice_url, client, number)
                await asyncio.sleep(0.05)
    return calling.result()


def went_well(call: FinishedCall, audio_ms: int) -> None:
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
    assert [item.heard_ms for item in call.heard()] == [audio_ms]
    assert call.report.warnings == []


async def test_a_call_goes_on_while_strangers_send_without_end(log: Log) -> None:
    """Heads, trailers, bodies and requests in a row; what was sent to them is heard of once."""
    async with stack(hello_and_goodbye(900), environment={"CALLBRIDGE_PREDIAL": "false"}) as running:
        call = await call_meanwhile(running, lambda: shouting(running.settings.port))
    went_well(call, 900)
    reasons = [line["reason"] for line in log.events("request_refused")]
    assert "large_head" in reasons
    assert len(reasons) == len(set(reasons))


async def test_a_call_goes_on_while_strangers_hold_connections(log: Log) -> None:
    async with stack(hello_and_goodbye(900), environment={"CALLBRIDGE_PREDIAL": "false"}) as running:
        call = await call_meanwhile(running, lambda: silent(running.settings.port, SILENT))
    went_well(call, 900)
    assert log.events("loop_lagged") == []


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["shouting", "silent"])
async def test_a_process_stays_well_among_strangers(
    what: str, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    """As above, with thousands of them: its memory is bounded, and its loop is never late."""
    raise_limit()
    async with (
        serve_model(hello_and_goodbye(8000), settings=SessionSettings(keep_audio=True)) as model,
        services(tmp_path, variables("", model.url, CALLBRIDGE_PREDIAL="false")) as (service,),
    ):
        before_bytes = service.memory_bytes
        attack = shouting if what == "shouting" else lambda port: silent(port, SILENT_HEAVY)
        line = service.line(model)
        call = await call_meanwhile(line, lambda: attack(service.port))
        grown_bytes = service.memory_bytes - before_bytes
        lags = service.events("loop_lagged")
        figures(f"{what}: grown by {grown_bytes / 2**20:.0f} MiB, lags {[lag['lag_ms'] for lag in lags]}")
        assert call.verbs == CONNECTED_AND_ENDED
        assert grown_bytes < GROWTH_BYTES_MAX
        assert await until(lambda: len(service.events("stream_ended")) == 1)
        assert service.faults == []


@pytest.mark.heavy
async def test_few_descriptors_take_few_calls_and_lose_none(tmp_path: Path) -> None:
    """The start says how many; the rest hear the fallback, and none is told that the model were away."""
    async with (
        serve_model(hello_and_goodbye(3000), settings=SessionSettings(keep_audio=True)) as model,
        services(
            tmp_path, variables("", model.url), command=("prlimit", "--nofile=87", *COMMAND, "serve")
        ) as (service,),
    ):
        (line,) = service.events("few_descriptors")
        assert "(87) allows 5 calls at once" in line["reason"]
        running = service.line(model)
        async with silent(service.port, 100):
            calls = await together(*(running.call([WaitForEnd()]) for _ in range(8)))
        assert sorted(call.verbs for call in calls) == [CONNECTED_AND_ENDED] * 5 + [["Say", "Hangup"]] * 3
        assert {line["reason"] for line in service.events("call_declined")} == {"capacity"}
        assert [*service.events("model_trouble"), *service.events("model_outage"), *service.faults] == []
