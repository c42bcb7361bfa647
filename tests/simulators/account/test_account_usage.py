"""The account's usage records: what is billed on which day, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from accounts import OURS, THEIRS, Desk

from callbridge.simulators.phone.conferences import Conference

DAY = "2027-01-15"
"""On which the clock of these accounts begins, in UTC."""


def records(desk: Desk, **asked: str) -> dict[str, dict[str, Any]]:
    page = desk.ask("GET", "/Usage/Records/Daily.json", {"PageSize": "100", **asked})
    return {record["category"]: record for record in page["usage_records"]}


def test_calls_streams_and_texts_are_billed_by_started_minutes_and_segments() -> None:
    """A call of 61 s in, one of 30 s out, streams of 61 s and 2 s, a text of two segments."""
    desk = Desk()
    inbound = desk.network.call_in(THEIRS, OURS)
    inbound.answer()
    inbound.streams_s = [61.0, 2.0]
    desk.clock.now += 61
    inbound.hang_up()
    desk.ask("POST", "/Calls.json", {"To": THEIRS, "From": OURS, "Url": "https://x.example/a"})
    (_, outbound) = desk.network.legs.values()
    outbound.answer()
    desk.clock.now += 30
    outbound.hang_up()
    desk.ask("POST", "/Messages.json", {"To": THEIRS, "From": OURS, "Body": "x" * 161})
    found = records(desk)
    told = {name: (record["count"], record["usage"], record["price"]) for name, record in found.items()}
    assert told["calls-inbound-local"] == ("1", "2", "0.01700") == told["calls-inbound"]
    assert told["calls-outbound"] == ("1", "1", "0.01400")
    assert told["calls"] == ("2", "3", "0.03100")
    assert told["calls-media-stream-minutes"] == ("2", "3", "0.01320")
    assert told["sms-outbound"] == ("1", "2", "0.01660")
    assert told["totalprice"] == ("0.06080", "0.06080", "0.06080")
    assert told["calls-client"] == ("0", "0", "0.00000")
    assert (found["calls"]["start_date"], found["calls"]["price_unit"]) == (DAY, "usd")


@pytest.mark.parametrize(
    ("from_address", "to_address", "category"),
    [
        (THEIRS, "+18885550100", "calls-inbound-tollfree"),
        ("client:anna", OURS, "calls-client"),
        ("sip:anna@example.com", OURS, "calls-sip"),
    ],
)
def test_a_call_is_in_the_category_of_its_line(from_address: str, to_address: str, category: str) -> None:
    desk = Desk()
    leg = desk.network.call_in(from_address, to_address)
    leg.answer()
    leg.hang_up()
    assert records(desk)[category]["usage"] == "1"


def test_each_who_was_in_a_room_is_billed() -> None:
    """61 s and 5 s are two minutes and one. Who leaves is counted as they go."""
    desk = Desk()
    began_at = datetime.fromtimestamp(desk.clock.now, UTC)
    rooms = desk.network.conferences.all
    rooms["CF1"] = Conference(
        "CF1", "room", None, desk.user, _unheard, stays_s=[61.0, 5.0], created_at=began_at
    )
    found = records(desk)["calls-globalconference"]
    assert (found["count"], found["usage"], found["price"]) == ("2", "3", "0.00540")


def _unheard(_callback: object, _event: str, _told: object) -> None:
    """Nobody is told of this room."""


def test_a_day_is_asked_for_by_its_date_or_by_how_long_ago_it_was() -> None:
    desk = Desk()
    leg = desk.network.call_in(THEIRS, OURS)
    leg.answer()
    leg.hang_up()
    desk.clock.now += 86_400
    asked = {"Category": "calls", "StartDate": DAY, "EndDate": DAY}
    assert records(desk, **asked)["calls"]["count"] == "1"
    assert records(desk, Category="calls")["calls"]["count"] == "0", "today"
    page = desk.ask("GET", "/Usage/Records/Daily.json", {"Category": "calls", "StartDate": "-1days"})
    assert [record["count"] for record in page["usage_records"]] == ["0", "1"]


@pytest.mark.parametrize(
    "asked",
    [
        {"Category": "calls-inbuond"},
        {"StartDate": "15.1.2027"},
        {"EndDate": "2027-02-30"},
        {"StartDate": "0-1-1"},
    ],
)
def test_what_is_no_category_or_day_is_refused(asked: dict[str, str]) -> None:
    assert Desk().send("GET", "/Usage/Records/Daily.json", asked).answer.status == 400
