"""A transfer from its facts: whatever comes, in whatever order, from whatever process, says the same."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.facts import EndReason
from callbridge.call.limits import Limits
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.wishes import HangUp, PutThrough, Resume, Transfer
from callbridge.switchboard.transfer import (
    BRIEFED_WITHIN_S,
    RINGS_LONGER_S,
    UNHEARD_OF_S,
    TransferSoFar,
    read_transfers,
)

ID = "MZ1-1"
ASKED = t.TransferAsked(
    ID, Transfer("sales", "+15550100042", ring_s=20, is_asked=True, is_warm=True), is_held=True
)
PLAIN = structs.replace(ASKED, transfer=Transfer("sales", "+15550100042"), is_held=False)
LEFT = facts.StreamEnded(EndReason.TRANSFERRED, follows=PutThrough(ID, "sales"))
RUNG, ANSWERED = t.PersonRung(ID, "CA2"), t.PersonAnswered(ID)
TAKES = t.PersonDecided(ID, takes_it=True, keys="1")
SILENT, ELSE = t.PersonDecided(ID, takes_it=False), t.PersonDecided(ID, takes_it=False, keys="5")
MET = t.RoomReported(ID, "conference-start")

End = TransferOutcome


def so_far(*told: facts.Fact, asked: t.TransferAsked = ASKED) -> TransferSoFar:
    """The transfer after these facts, a second apart; it was asked for at 0."""
    return read_transfers(list(enumerate((asked, *told))))[ID]


def over(status: str, sip_code: str = "") -> t.PersonReported:
    """Twilio tells how the call to the person ended."""
    return t.PersonReported(ID, status, sip_code)


@pytest.mark.parametrize(
    ("told", "at_s", "expected"),
    [
        ((), 5, None),
        ((), 9, End.CARRIER_FAULT),  # Nothing was ever heard of it.
        ((RUNG,), 30, None),
        ((RUNG,), 34, End.NO_ANSWER),
        ((RUNG, over("ringing")), 20, None),
        ((RUNG, over("busy", "486")), 5, End.BUSY),
        ((RUNG, over("no-answer", "487")), 30, End.NO_ANSWER),
        ((RUNG, over("failed", "404")), 5, End.UNREACHABLE),
        ((RUNG, over("failed", "503")), 5, End.CARRIER_FAULT),
        ((RUNG, over("busy", "603")), 5, End.DECLINED),
        ((RUNG, ANSWERED), 50, None),
        ((RUNG, ANSWERED), 60, End.VOICEMAIL),
        ((RUNG, ANSWERED, over("completed")), 8, End.DECLINED),  # They hung up in the briefing.
        ((RUNG, ANSWERED, SILENT), 20, End.VOICEMAIL),
        ((RUNG, ANSWERED, ELSE), 20, End.DECLINED),
        ((RUNG, ANSWERED, TAKES), 20, End.CONNECTED),
        ((RUNG, ANSWERED, TAKES, SILENT), 20, End.CONNECTED),  # The first one counts.
        ((over("busy"),), 3, End.BUSY),  # The answer to the request that made the call was lost.
    ],
)
def test_what_the_call_to_the_person_has_come_to(
    told: tuple[facts.Fact, ...], at_s: float, expected: TransferOutcome | None
) -> None:
    assert so_far(*told).outcome(at_s) is expected


def test_the_order_of_news_does_not_matter() -> None:
    news: tuple[facts.Fact, ...] = (RUNG, ANSWERED, TAKES, over("ringing"), over("completed"))
    assert {so_far(*told).outcome(30) for told in permutations(news)} == {End.CONNECTED}
    refused: tuple[facts.Fact, ...] = (RUNG, over("ringing"), over("in-progress"), over("busy", "486"))
    assert {so_far(*told).outcome(10) for told in permutations(refused)} == {End.BUSY}


@pytest.mark.parametrize(
    ("status", "bridged", "call_status", "told", "plain", "asking"),
    [
        ("completed", "true", "in-progress", (), End.CONNECTED, End.CONNECTED),
        ("completed", "true", "completed", (), End.CONNECTED, End.CONNECTED),
        ("completed", "false", "in-progress", (SILENT,), End.VOICEMAIL, End.VOICEMAIL),
        ("completed", "false", "in-progress", (ELSE,), End.DECLINED, End.DECLINED),
        ("completed", "false", "in-progress", (), End.DECLINED, End.DECLINED),
        ("completed", "", "in-progress", (), End.CONNECTED, End.DECLINED),
        ("completed", "", "in-progress", (TAKES,), End.CONNECTED, End.CONNECTED),
        ("completed", "false", "in-progress", (TAKES,), End.DECLINED, End.DECLINED),
        ("busy", "false", "in-progress", (), End.BUSY, End.BUSY),
        ("no-answer", "false", "in-progress", (), End.NO_ANSWER, End.NO_ANSWER),
        ("failed", "false", "in-progress", (), End.UNREACHABLE, End.UNREACHABLE),
        ("failed", "false", "in-progress", (over("failed", "503"),), End.CARRIER_FAULT, End.CARRIER_FAULT),
        ("no-answer", "false", "completed", (), End.CALLER_HUNG_UP, End.CALLER_HUNG_UP),
        ("canceled", "", "in-progress", (), End.CALLER_HUNG_UP, End.CALLER_HUNG_UP),
        ("", "", "in-progress", (), End.CARRIER_FAULT, End.CARRIER_FAULT),
        ("strange", "maybe", "in-progress", (), End.CARRIER_FAULT, End.CARRIER_FAULT),
    ],
)
def test_what_a_dial_has_come_to(
    status: str,
    bridged: str,
    call_status: str,
    told: tuple[facts.Fact, ...],
    plain: TransferOutcome,
    asking: TransferOutcome,
) -> None:
    """`plain`: nobody is asked whether they take it."""
    asked = structs.replace(ASKED, is_held=False)
    assert so_far(LEFT, *told, asked=PLAIN).outcome_of_dial(status, bridged, call_status) is plain
    assert so_far(LEFT, *told, asked=asked).outcome_of_dial(status, bridged, call_status) is asking


@pytest.mark.parametrize(
    "gone",
    [
        facts.StreamEnded(EndReason.CALLER_HANGUP, follows=HangUp()),
        facts.StreamEnded(EndReason.MEDIA_LOST, follows=Resume()),
        facts.StreamStarted("", ""),
        facts.StreamAsked("resume"),
        facts.StreamAsked("return"),
        facts.StreamAsked("fall_back"),
        facts.CallReported("completed"),
        facts.CallOver(),
        t.TransferEnded(ID, "sales", End.CALLER_RETURNED),
        t.TransferAsked("MZ1-2", ASKED.transfer),
    ],
)
def test_whoever_is_rung_for_a_caller_who_is_gone_is_rung_for_nothing(gone: facts.Fact) -> None:
    waiting = so_far(RUNG, ANSWERED, LEFT, facts.StreamAsked("put_through"), facts.CallReported("ringing"))
    assert waiting.is_wanted
    assert waiting.has_person
    left = so_far(RUNG, ANSWERED, gone)
    assert not left.is_wanted
    assert left.has_person
    assert not so_far(RUNG, gone, over("completed")).has_person


def test_a_caller_in_the_room_goes_back_when_nobody_comes() -> None:
    taken = (RUNG, ANSWERED, TAKES, LEFT, t.CallerJoined(ID))
    assert not so_far(*taken).is_to_go_back(10)
    assert so_far(*taken).is_to_go_back(20)
    assert so_far(*taken, over("completed")).is_to_go_back(7)
    assert not so_far(*taken, MET).is_to_go_back(300)
    assert so_far(*taken, MET).outcome_of_room("in-progress") is End.CONNECTED
    assert so_far(*taken).outcome_of_room("in-progress") is End.DECLINED
    assert so_far(*taken).outcome_of_room("in-progress", "answered") is End.CONNECTED, "news are late"
    assert so_far(*taken).outcome_of_room("in-progress", "failed") is End.DECLINED
    led_back = so_far(*taken, t.CallerLedBack(ID))
    assert led_back.outcome_of_room("in-progress", "answered") is End.DECLINED
    assert so_far(*taken).outcome_of_room("completed") is End.CALLER_HUNG_UP


ANY_FACT = st.sampled_from(
    [RUNG, ANSWERED, TAKES, SILENT, ELSE, MET, LEFT, t.CallerJoined(ID), t.PersonJoined(ID)]
    + [over(status) for status in ("ringing", "in-progress", "completed", "busy", "canceled")]
    + [facts.StreamAsked("put_through"), facts.StreamAsked("return"), facts.CallOver()]
    + [t.TransferEnded(ID, "sales", End.BUSY), t.PersonRung("another", "CA3")]
)


@given(st.lists(ANY_FACT, max_size=12))
def test_every_wait_has_an_end_and_repetitions_change_nothing(told: list[facts.Fact]) -> None:
    found = so_far(*told)
    assert found.outcome(10_000) is not None
    assert found.have_met or found.is_to_go_back(10_000)
    again = so_far(*told, *told)
    assert (again.takes_it, again.keys, again.is_wanted) == (found.takes_it, found.keys, found.is_wanted)


def test_a_person_has_decided_before_the_caller_is_told_that_nobody_knows() -> None:
    """The machine of the call waits by itself, should all news be lost."""
    assert RINGS_LONGER_S + max(UNHEARD_OF_S, BRIEFED_WITHIN_S) < Limits().transfer_decided_within_s


def test_of_a_transfer_that_is_forgotten_its_end_is_known() -> None:
    """Who was rung was dropped in a long talk."""
    told = (facts.StreamStarted("", ""), RUNG, ANSWERED, TAKES, LEFT, t.CallerJoined(ID), MET)
    found = read_transfers(list(enumerate(told)))[ID]
    assert (found.is_forgotten, found.is_wanted, found.asked.transfer.name) == (True, False, "sales")
    assert found.outcome_of_room("in-progress") is End.CONNECTED
