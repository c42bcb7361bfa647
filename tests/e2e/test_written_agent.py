"""An agent without code answers a call: it asks a service over HTTP, and tells the caller what that says."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.call.facts import EndReason, ToolUsed
from callbridge.call.outcomes import ToolOutcome
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script, session_reports
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import Log, stack
from pharmacies import KEY, pharmacy, pharmacys_agent
from random_calls import noise
from small_server import small_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")


def conversation(rng: random.Random) -> Script:
    """It greets, looks, and says goodbye with what it has found."""
    greeting = Speech(text="Linden Pharmacy, good day!", audio=noise(rng, 200))
    found = Speech(text="We have three. Goodbye!", audio=noise(rng, 200))
    return Script(
        answers=(
            Answer(say=(greeting,)),
            Answer(calls=(Call(name="find_medicine", arguments={"name": "ibuprofen"}),), caller="Ibuprofen?"),
            Answer(say=(found,), calls=(Call(name="end_call"),), after_call=True),
        ),
        after_ms=20,
    )


@pytest.mark.heavy
async def test_an_agent_without_code_looks_something_up(tmp_path: Path, log: Log) -> None:
    rng = random.Random(7)
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(rng, 250)), WaitForEnd()])
    async with small_server(pharmacy) as service:
        agent = pharmacys_agent(service.origin, tmp_path)
        async with stack(conversation(rng), agent=agent) as running:
            call = await running.call(caller)
    assert call.report.is_clean, call.report
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert [item.was_heard_to_its_end for item in call.heard()] == [True, True]
    assert [asked.target for asked in service.asked] == ["/v1/medicines/ibuprofen/stock"]
    assert service.asked[0].headers["authorization"] == f"Bearer {KEY}"

    (report,) = session_reports([call.journal])
    looked, _ = report.tools
    assert json.loads(looked.output or "") == {"packages": 3, "price_usd": 7.5, "similar": ["naproxen"]}
    assert [used.outcome for used in call.of(ToolUsed)] == [ToolOutcome.ANSWERED] * 2
    assert KEY not in repr([call.facts, report]) + log.text
