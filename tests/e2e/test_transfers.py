"""Callers are put through to people who answer, or do not: over real sockets, with a strict account."""

from __future__ import annotations

import pytest

from callbridge.call.outcomes import TransferOutcome
from callbridge.simulators.phone.people import Person
from e2e.transfers import ASKING, COLD, SALES, WARM, Way, people_behind

TAKES = Person(presses=("1",), talks_s=10.0)


@pytest.mark.parametrize("way", [COLD, ASKING, WARM])
async def test_caller_and_person_talk(way: Way) -> None:
    async with people_behind(way, TAKES) as line:
        call = await line.call()
        assert (await line.ended(call)).outcome is TransferOutcome.CONNECTED
    assert [verb.verb for verb in call.report.verbs] == ["Connect/Stream", "Dial", "Hangup"]
    assert SALES in {heard.what for heard in call.report.heard}
    assert not call.report.findings
    assert not call.report.warnings
    assert not line.exchange.complaints
