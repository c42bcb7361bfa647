"""A model that is down for a while: callers hear the fallback at once, and the agent again when it is back.

The circuit waits for less than in production, so that an outage takes seconds; its own bounds stand in
tests/switchboard/test_circuit.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, ConnectFault, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.switchboard.circuit import Circuit, Circuits
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_SORRY, FinishedCall, Log, Stack, stack
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

OPEN_S = 1.0
PROBE_EVERY_S = 0.4

FAILED_CALLS_MAX = 5
SAID_NO = ["Say", "Hangup"]
REFUSED_MS_MAX = 2000

DIAL_S = 0.5
"""More than a dial on this machine takes."""


@dataclass
class Rehearsal:
    """A service whose model is down at first."""

    line: Stack
    refused_at: list[float] = field(default_factory=list)
    """When the model refused a dial."""

    async def call(self) -> FinishedCall:
        """Somebody calls, and only listens."""
        return await self.line.call([WaitForEnd()])

    async def failing(self) -> list[FinishedCall]:
        """Calls, one after the other, up to the first that is not tried; that one included."""
        calls = [await self.call()]
        while calls[-1].verbs == CONNECTED_AND_SORRY:
            calls.append(await self.call())
        return calls

    async def turned_away(self) -> list[FinishedCall]:
        """Calls, ten a second, up to the first that is not turned away; that one included."""
        calls = [await self.call()]
        while calls[-1].verbs == SAID_NO:
            await asyncio.sleep(0.1)
            calls.append(await self.call())
        return calls


@contextlib.asynccontextmanager
async def rehearsal(fault: ConnectFault) -> AsyncIterator[Rehearsal]:
    speech = Speech(text="Here I am. Goodbye.", audio=noise(random.Random(1), 300))
    script = Script(default=Answer(say=(speech,), calls=(Call(name="end_call"),)), connect=(fault,))
    refused_at: list[float] = []
    clock = asyncio.get_running_loop().time
    async with stack(
        script,
        circuits=Circuits(lambda: Circuit(OPEN_S, PROBE_EVERY_S)),
        on_refusal=lambda _: refused_at.append(clock()),
        environment={"CALLBRIDGE_CALL_STARTS_PER_SECOND": "100"},
    ) as line:
        yield Rehearsal(line, refused_at)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("fault", "failed_max"),
    [
        (ConnectFault(kind="refuse", status=503, until_s=5.0), FAILED_CALLS_MAX),
        (ConnectFault(kind="refuse", status=401, until_s=2.0), 1),
        (ConnectFault(kind="refuse", status=429, error_code="insufficient_quota", until_s=2.0), 1),
    ],
    ids=["503", "401", "no quota"],
)
async def test_an_outage_and_its_end(
    fault: ConnectFault, failed_max: int, log: Log, figures: Callable[[str], None], machine: Machine
) -> None:
    """A few calls find out; the next hear the fallback without a dial; a probe finds that it is over."""
    clock = asyncio.get_running_loop().time
    async with rehearsal(fault) as stage:
        found_out = await stage.failing()
        dials = len(stage.refused_at)
        turned_away = await stage.turned_away()
        closed_at = clock() - turned_away[-1].report.duration_ms / 1000
        served = await stage.call()
        sessions = len(stage.line.model.sessions)
    assert found_out[-1].verbs == SAID_NO
    assert len(found_out) - 1 <= failed_max
    assert all(call.report.is_clean or call.verbs == CONNECTED_AND_SORRY for call in found_out)
    down = [found_out[-1], *turned_away[:-1]]
    assert len(down) > 3, "the outage was over before anybody was turned away"
    answers_ms = [call.report.webhook_answer_ms or 9999.0 for call in down]
    assert {line["reason"] for line in log.events("call_declined")} == {"model_outage"}
    probes_at = stage.refused_at[dials:]
    assert len(probes_at) == len(log.events("model_probe_failed")), "only probes dial"
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(probes_at)]
    assert all(gap_s > PROBE_EVERY_S * 0.75 for gap_s in gaps_s), gaps_s
    assert fault.until_s is not None
    recovered_at = stage.refused_at[0] + fault.until_s
    noticed_s = closed_at - recovered_at
    assert turned_away[-1].verbs == served.verbs == CONNECTED_AND_ENDED
    assert sessions == 3, "one probe that found it, and the two calls"
    assert len(log.events("model_back")) == 1
    figures(
        f"model outage ({fault.status}): {len(found_out) - 1} calls failed before the circuit opened; "
        f"{len(down)} turned away in at most {max(answers_ms):.0f} ms with {len(probes_at)} probes; "
        f"served {noticed_s:.1f} s after its end (a probe each {PROBE_EVERY_S} s)"
    )
    kept = max(answers_ms) < REFUSED_MS_MAX and noticed_s < OPEN_S + PROBE_EVERY_S + DIAL_S
    machine.judge([] if kept else ["the times above"], tolerates_ms=50)
