"""The voice webhook answers fast, with a call on the same process: a ringing phone waits for nothing else."""

from __future__ import annotations

import asyncio
import random
import statistics
from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge.call.facts import EndReason
from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.raw import ringing
from e2e.stack import Stack, stack
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.phone import PhoneEvent
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

REQUESTS = 300
ROOM_FOR_ALL = {"CALLBRIDGE_CALLS_MAX": str(REQUESTS + 1), "CALLBRIDGE_CALL_STARTS_PER_SECOND": "1000"}
"""None of the calls is declined: each answer makes a token, and dials the model beside itself."""

P99_MS_MAX = 150


@pytest.mark.heavy
async def test_the_webhook_answers_within_150_ms(figures: Callable[[str], None], machine: Machine) -> None:
    """300 requests during a call: the 99th percentile stays below 150 ms, and the call does not notice."""
    rng = random.Random(5)
    speech = Speech(text="A long story.", audio=noise(rng, 20_000))
    agent_speaks = asyncio.Event()

    def notice(event: PhoneEvent) -> None:
        if isinstance(event, AgentAudioStarted):
            agent_speaks.set()

    async with stack(Script(default=Answer(say=(speech,))), environment=ROOM_FOR_ALL) as running:
        phone = running.phone([WaitForEnd()], on_event=notice)
        async with asyncio.TaskGroup() as calling:
            call = calling.create_task(running.finish(phone))
            async with asyncio.timeout(5):
                await agent_speaks.wait()
            times_ms = await ask(running)
            phone.hang_up()
    assert call.result().ended.reason is EndReason.CALLER_HANGUP
    assert call.result().report.warnings == []
    percentiles = statistics.quantiles(times_ms, n=100, method="inclusive")
    figures(
        f"voice webhook during a call, {REQUESTS} requests: p50 {percentiles[49]:.1f}, "
        f"p99 {percentiles[98]:.1f}, max {max(times_ms):.1f} ms"
    )
    machine.judge(
        [f"the 99th percentile is {percentiles[98]:.0f} ms"] if percentiles[98] >= P99_MS_MAX else [],
        tolerates_ms=30,
    )


async def ask(running: Stack) -> list[float]:
    """Signed webhooks of new calls, one after the other; answers how long each took."""
    clock = asyncio.get_running_loop().time
    url = running.settings.voice_url
    times_ms = []
    async with httpx.AsyncClient(trust_env=False) as client:
        for number in range(REQUESTS):
            signed = ringing(url, f"CA{number:032x}")
            began_at = clock()
            answer = await client.post(url, **signed)
            times_ms.append((clock() - began_at) * 1000)
            assert answer.status_code == 200
            assert "<Connect" in answer.text
    return times_ms
