"""The alert rules and the dashboard, evaluated by a real Prometheus over hours that a desk has lived.

In a good hour no rule rings and every panel shows a line; in an hour with a fault its own rule rings, and no
other but those that belong to the same fault.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # It comes with moto, which ships no types of it.

from callbridge.records.outbox.delivery import DeliveryState
from callbridge.records.shipping import Behind
from monitored_hours import SCRAPED_EVERY_S, Hour, as_open_metrics
from prometheus_server import Server, promtool, server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

MONITORING: Final = Path(__file__).parents[2] / "examples" / "monitoring"
RULES, DASHBOARD = MONITORING / "alerts.yml", MONITORING / "dashboard.json"
GOOD_S: Final = 3600.0
REST_S: Final = 1500.0
"""Between two hours: longer than any rule looks back."""
STEP_S: Final = 15
AWAY: Final = "the database is away"
"""An hour that three processes have lived alike, in which each sees 4,000 facts wait."""
OTHERS: Final = ("127.0.0.1:8082", "db-2.example:8081")
"""A worker beside the first, with the same file, and a process of another machine."""


def goes_down(hour: Hour) -> None:
    hour.is_up = False


def loses_streams(hour: Hour) -> None:
    hour.records.streams_lost += 3


def fills_its_disk(hour: Hour) -> None:
    hour.front.state.told_trouble = "the disk is full"


def blocks_its_loop(hour: Hour) -> None:
    hour.lag_s, hour.lag_share = 0.12, 0.03


def falls_behind(hour: Hour) -> None:
    hour.records.behind = Behind(4000, hour.front.wall_now - 200.0)


def is_told_nothing(hour: Hour) -> None:
    hour.delivered_each, hour.desk.measures.deliveries_waiting = 0, {"crm": 7}


def gives_up_a_delivery(hour: Hour) -> None:
    hour.settled["crm", DeliveryState.DEAD] += 1


def lets_its_certificate_end(hour: Hour) -> None:
    hour.desk.measures.certificate_ends_at = hour.front.wall_now + 5 * 86_400


def is_not_trusted(hour: Hour) -> None:
    hour.desk.measures.is_certificate_trusted = False


def loses_its_clock(hour: Hour) -> None:
    hour.clock_is_ahead_s = 40.0


def spends_much(hour: Hour) -> None:
    """Of the 25 dollars that an hour may cost."""
    hour.desk.spending.add(hour.front.now, 21_500_000)


def angers_twilio(hour: Hour) -> None:
    hour.alert("31924")


@dataclass(frozen=True)
class Trouble:
    """One hour with a fault, and the rules that ring in it."""

    rings: frozenset[str]
    given: Mapping[str, Any] = field(default_factory=dict)


def rings(*names: str, **given: Any) -> Trouble:
    return Trouble(frozenset(f"Callbridge{name}" for name in names), given)


TROUBLES: Final = {
    "the key of the model is refused": rings("NoCallAnswered", "ModelDown", wrong_calls="refused key"),
    "no clip and a slow model": rings("SilenceHeard", "FirstAudioSlow", wrong_calls="no clip"),
    "a slow model": rings("FirstAudioSlow", wrong_calls="slow dial"),
    "sessions are lost": rings("SessionsReplaced", wrong_calls="lost session"),
    "a process is gone": rings("ProcessLost", goes_wrong=goes_down),
    "a process has found another one gone": rings("ProcessLost", goes_wrong=loses_streams),
    "more calls than places": rings(
        "DeclinedForCapacity", environment={"CALLBRIDGE_CALLS_MAX": "2"}, call_every_s=8.0
    ),
    "the disk is full": rings("StateBehind", "NoCallAnswered", goes_wrong=fills_its_disk),
    "the loop is late": rings("LoopLate", goes_wrong=blocks_its_loop),
    AWAY: rings("RecordsBehind", keeps_wrong=falls_behind),
    "a receiver does not answer": rings("DeliveriesBehind", goes_wrong=is_told_nothing, lasts_s=2700.0),
    "a receiver refuses": rings("DeliveriesDead", goes_wrong=gives_up_a_delivery),
    "much is spent": rings("SpendNearCap", goes_wrong=spends_much),
    "twilio has an error": rings("CarrierErrors", goes_wrong=angers_twilio),
    "the certificate ends": rings("CertificateEnds", goes_wrong=lets_its_certificate_end),
    "the certificate is not trusted": rings("CertificateEnds", goes_wrong=is_not_trusted),
    "the clock is wrong": rings("ClockOff", goes_wrong=loses_its_clock),
}


def alerts() -> dict[str, dict[str, Any]]:
    """The rules by name."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> dict[str, list[str]]:
    """The expressions of each panel, as Grafana would send them."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    return {
        panel["title"]: [_sent(target["expr"]) for target in panel["targets"]]
        for panel in board["panels"]
        if panel["type"] != "row"
    }


def waiting_facts() -> str:
    """The expression of the facts that wait in journals."""
    return next(one for one in panels()["Records"] if "_rows" in one)


def _sent(expression: str) -> str:
    for name, value in (
        ("$job", ".*"),
        ("$instance", ".*"),
        ("$__rate_interval", f"{4 * SCRAPED_EVERY_S:.0f}s"),
    ):
        expression = expression.replace(name, value)
    # `$1` is a group of `label_replace`, and no variable to Grafana.
    assert not re.search(r"\$(?!1\b)", expression), f"a variable that nobody has: {expression}"
    return expression


def names_in(expression: str) -> set[str]:
    """The metrics of an expression, without the endings of histograms and counters."""
    found = re.findall(r"\b(?:callbridge|process)_\w+", expression)
    return {re.sub(r"_(?:bucket|count|sum|total)$", "", name) for name in found} | {"up"} & set(
        re.findall(r"\bup\b", expression)
    )


@dataclass(frozen=True)
class Lived:
    """A Prometheus that knows all hours, and when each of them was."""

    prometheus: Server
    times: Mapping[str, tuple[float, float]]


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    promtool("--version")
    begins_at = (time.time() - 86_400) // 7200 * 7200
    asked = {name for rule in alerts().values() for name in names_in(rule["expr"])} | names_in(
        waiting_facts()
    )
    hours = {"good": Hour(begins_at, GOOD_S)}
    for name, trouble in TROUBLES.items():
        begins_at = max(hour.ends_at for hour in hours.values()) + REST_S
        hours[name] = Hour(begins_at, is_wanted=asked.__contains__, **trouble.given)
    read = asyncio.run(_played(hours))
    with server(as_open_metrics(read), RULES) as prometheus:
        yield Lived(prometheus, {name: (hour.begins_at, hour.ends_at) for name, hour in hours.items()})


async def _played(hours: Mapping[str, Hour]) -> list[tuple[str, list[tuple[float, list[Metric]]]]]:
    """In a loop, which a drain looks for."""
    read = {name: list(hour.scrapes()) for name, hour in hours.items()}
    others = [(instance, read[AWAY]) for instance in OTHERS]
    return [*(("127.0.0.1:8081", scrapes) for scrapes in read.values()), *others]


def ringing(lived: Lived, hour: str) -> set[str]:
    """The rules that ring in an hour: whose expression holds without a break for as long as they want."""
    begin, end = lived.times[hour]
    found = set[str]()
    for name, rule in alerts().items():
        wanted = _seconds(rule.get("for", "0s")) / STEP_S + 1
        for series in lived.prometheus.series(rule["expr"], begin, end, STEP_S):
            if _longest_run([at for at, _ in series]) >= wanted:
                found.add(name)
    return found


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def _longest_run(times: list[float]) -> int:
    longest = run = 0
    before: float | None = None
    for at in times:
        run = run + 1 if before is not None and at - before <= STEP_S else 1
        longest, before = max(longest, run), at
    return longest


@pytest.mark.heavy
def test_no_rule_rings_in_a_good_hour(lived: Lived) -> None:
    assert lived.prometheus.rules() == alerts().keys(), "Prometheus has loaded them"
    assert ringing(lived, "good") == set()


@pytest.mark.heavy
@pytest.mark.parametrize("hour", TROUBLES)
def test_a_rule_rings_in_the_hour_of_its_fault_and_no_other(lived: Lived, hour: str) -> None:
    assert ringing(lived, hour) == TROUBLES[hour].rings


@pytest.mark.heavy
def test_every_rule_has_an_hour_of_its_own() -> None:
    assert {name for trouble in TROUBLES.values() for name in trouble.rings} == alerts().keys()


@pytest.mark.heavy
def test_every_panel_shows_a_line(lived: Lived) -> None:
    """In a good hour; those of its lines that only a fault has are asked for all the same."""
    begin, end = lived.times["good"]
    shown = {
        title: [line for one in expressions for line in lived.prometheus.series(one, begin + 600, end, 60)]
        for title, expressions in panels().items()
    }
    assert [title for title, lines in shown.items() if not lines] == []


@pytest.mark.heavy
def test_what_workers_of_one_machine_share_is_counted_once(lived: Lived) -> None:
    begin, end = lived.times[AWAY]
    (line,) = lived.prometheus.series(waiting_facts(), begin, end, 60)
    assert max(rows for _, rows in line) == 8000
