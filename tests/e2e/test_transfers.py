"""Callers are put through to people who answer, or do not: over real sockets, with a strict account."""

from __future__ import annotations

import pytest

from callbridge.call.outcomes import TransferOutcome
from callbridge.simulators.phone.people import Person
from e2e.transfers import ASKING, COLD, SALES, WARM, Way, people_behind

TAKES = Person(presses=("1",), talks_s=10.0)


async def test_a_warm_transfer_is_an_asking_one_where_the_account_may_not_be_asked() -> None:
    """Whoever answers is in a whisper, where Twilio takes fewer verbs than in a call of their own."""
    async with people_behind(WARM, TAKES, environment={"CALLBRIDGE_TWILIO_REST": "false"}) as line:
        call = await line.call()
        assert (await line.ended(call)).outcome is TransferOutcome.CONNECTED
    (person,) = line.people_legs
    assert person.parent_sid == call.sid
    assert not person.complaints
    assert not line.posts


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
