"""`/metrics`: what is read of the desk, its format, and that the docs have all of it."""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from callbridge.bridge.legs.leg import DialError
from callbridge.call import facts
from callbridge.call.events import ModelDialFailed
from callbridge.call.telephone_facts import CarrierAlert
from callbridge.records.outbox.delivery import DeliveryState
from callbridge.records.shipping import Behind
from callbridge.server.http.control import control_app, control_key
from callbridge.server.process.measuring.measured_dialer import MeasuredDialer, outcome_of
from callbridge.state.state import Unwritten
from desks import CALL, FrontDesk, LiveCall, made_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Metric

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
RIGHT = {"Authorization": f"Bearer {control_key(made_settings())}"}


async def asked(front: FrontDesk, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """What is answered."""
    transport = httpx.ASGITransport(control_app(front.desk))
    async with httpx.AsyncClient(transport=transport, base_url="http://callbridge") as client:
        return await client.get("/metrics", headers={**RIGHT, **(headers or {})})


async def scraped(front: FrontDesk) -> dict[str, Metric]:
    """The families, by name."""
    answer = await asked(front)
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def read(families: Mapping[str, Metric]) -> dict[str, float]:
    """Values by name and labels, without the prefix."""
    return {
        " ".join([sample.name.removeprefix("callbridge_"), *sample.labels.values()]): sample.value
        for family in families.values()
        for sample in family.samples
    }


def well_known(front: FrontDesk) -> FrontDesk:
    """A desk of which everything is known that can be: with records, and news of the outside."""
    known = front.desk.measures
    known.certificate_ends_at, known.is_certificate_trusted = 1_800_600_000.0, True
    known.deliveries_waiting = {"crm": 3}
    known.told_date("Fri, 15 Jan 2027 07:59:58 GMT")
    records: Any = SimpleNamespace(
        behind=Behind(7, front.wall_now - 12.0), trouble="away", shipped=40, shed=2, streams_lost=1
    )
    front.desk.records = records
    outbox: Any = SimpleNamespace(
        receivers={"crm": None}, settled=Counter({("crm", DeliveryState.DEAD): 2}), waiting=dict
    )
    webhooks: Any = SimpleNamespace(outbox=outbox)
    front.desk.webhooks = webhooks
    return front


async def test_what_the_desk_knows_is_read_when_somebody_asks() -> None:
    front = FrontDesk({"CALLBRIDGE_CALLS_MAX": "2", "CALLBRIDGE_SPEND_PER_DAY_MAX": "8"})
    desk = front.desk
    before = read(await scraped(front))
    assert (before["places"], before["places_taken"], before["state_up"], before["draining"]) == (2, 0, 1, 0)
    assert not any(value for name, value in before.items() if name.startswith("declining"))
    desk.admission.offer(CALL, "gpt-realtime-2.1", front.now)
    desk.live_calls.add("CA1", LiveCall())
    desk.spending.add(front.now, 8_000_000)
    desk.circuits.failed("gpt-realtime-2.1", front.now, is_fatal=True)
    front.state.told_trouble = "the disk is full"
    front.loop_watch.lags.add(0.03)
    desk.drain.begin()
    after = read(await scraped(front))
    assert (after["calls reserved"], after["calls live"], after["places_taken"]) == (1, 1, 1)
    assert (after["spend_dollars day"], after["spend_cap_dollars day"]) == (8, 8)
    assert after["circuit_open gpt-realtime-2.1"] == 1
    reasons = {
        name.removeprefix("declining ") for name, is_so in after.items() if "declining" in name and is_so
    }
    assert reasons == {"draining", "state", "model_outage", "spend"}
    assert (after["state_up"], after["draining"], after["leaving"]) == (0, 1, 0)
    lags = {
        name.rpartition(" ")[2]: count for name, count in after.items() if "loop_lag_seconds_bucket" in name
    }
    assert (lags["0.02"], lags["0.05"], lags["+Inf"]) == (0, 1, 1)


async def test_what_waits_and_what_is_known_of_the_outside_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    front = well_known(FrontDesk())
    monkeypatch.setattr(type(front.state), "unwritten", Unwritten(5, 1.5))
    found = read(await scraped(front))
    assert (found["state_waiting_rows"], found["state_waiting_seconds"]) == (5, 1.5)
    assert (found["records_up"], found["records_waiting_rows"], found["records_waiting_seconds"]) == (
        0,
        7,
        12,
    )
    assert (found["records_shed_rows_total"], found["streams_lost_total"]) == (2, 1)
    assert found["deliveries_waiting crm"] == 3
    assert (found["deliveries_total dead crm"], found["deliveries_total done crm"]) == (2, 0)
    assert found["clock_ahead_seconds"] == 1.5, "its whole seconds are half a second old on the average"
    assert (found["certificate_trusted"], found["certificate_expiry_timestamp_seconds"]) == (1, 1_800_600_000)


async def test_a_store_that_does_not_say_who_else_is_there_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = FrontDesk()
    monkeypatch.setattr("callbridge.server.http.metrics.OTHERS_S", 0.01)
    front.state.is_stalled = True

    async def hangs() -> tuple[()]:
        await front.state._wait()
        return ()

    monkeypatch.setattr(front.state, "others", hangs)
    found = read(await scraped(front))
    assert "other_processes" not in found
    assert found["scrape_questions_failed_total"] == 1


async def test_facts_of_webhooks_are_counted_once() -> None:
    front = FrontDesk()
    front.desk.note(CALL, facts.CallOffered("+1", "+2", "capacity"))
    front.desk.release(CALL)
    # Twilio tells of the end as well; and tells it twice, where an answer was lost.
    for _ in range(2):
        await front.desk.note_once(CALL, facts.CallReported("completed", "3"))
        front.desk.release(CALL)
    found = read(await scraped(front))
    assert (found["calls_offered_total"], found["calls_declined_total capacity"]) == (1, 1)
    assert found["calls_ended_total completed"] == 1


async def test_dials_are_measured_whatever_becomes_of_them() -> None:
    told: list[tuple[str, float]] = []
    clock = iter([1.0, 1.25, 2.0, 7.0])

    class Refuses:
        async def dial(self, model: str) -> Any:
            if model == "well":
                return "a leg"
            raise DialError(ModelDialFailed("no answer in 5 s")) from TimeoutError()

    dialer = MeasuredDialer(
        Refuses(), lambda outcome, took_s: told.append((outcome, took_s)), lambda: next(clock)
    )
    assert await dialer.dial("well") == "a leg"  # type: ignore[comparison-overlap]  # It is not looked into.
    with pytest.raises(DialError):
        await dialer.dial("gone")
    assert told == [("connected", 0.25), ("timed_out", 5.0)]
    outcomes = [
        outcome_of(DialError(failed))
        for failed in (
            ModelDialFailed("", 429),
            ModelDialFailed("", 503),
            ModelDialFailed(""),
            ModelDialFailed("", lacks_descriptors=True),
        )
    ]
    assert outcomes == ["rate_limited", "refused", "unreachable", "no_descriptors"]


async def test_what_is_no_date_is_no_news() -> None:
    known = FrontDesk().desk.measures
    known.told_date("yesterday")
    assert known.clock_ahead_s is None


async def test_the_linter_of_prometheus_finds_nothing() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    text = (await asked(well_known(FrontDesk()))).content
    linter = await asyncio.create_subprocess_exec(
        *(promtool, "check", "metrics"), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await linter.communicate(text)
    assert (linter.returncode, said.decode()) == (0, "")


async def test_the_docs_have_every_metric_with_its_kind_and_its_labels() -> None:
    """`| name | kind | labels | meaning |`: those that the process gives of itself are left out."""
    front = well_known(FrontDesk({"CALLBRIDGE_SPEND_PER_DAY_MAX": "8"}))
    front.desk.circuits.failed("gpt-realtime-2.1", front.now)
    documented = {
        name: (kind, labels)
        for name, kind, labels in re.findall(
            r"^\| `(callbridge_\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \|$", DOCS.read_text("utf-8"), re.MULTILINE
        )
    }
    for fact in ONE_OF_EACH:
        front.desk.metrics(fact)
    families = await scraped(front)
    given = {}
    for family in families.values():
        if family.name.startswith("callbridge_"):
            names = {name for sample in family.samples for name in sample.labels} - {"le"}
            name = family.name + ("_total" if family.type == "counter" else "")
            given[name] = (family.type, ", ".join(f"`{label}`" for label in sorted(names)))
    assert documented == given


ONE_OF_EACH = (
    facts.ToolUsed("book", 10, 10),
    facts.FallbackDialed("busy"),
    facts.warned("media_gap", gap_s=1.0),
    CarrierAlert("NO1", "31924", "error"),
    facts.GuardrailTripped("no_prices", "item_1", True, 0, 900, 0, 30),
)
"""Of the facts whose labels are not known before."""
