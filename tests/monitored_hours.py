"""Hours of many calls in virtual time, as Prometheus would have scraped them: a good one, one for each fault.

The calls are whole ones between the two simulators (`random_calls`). Their facts go through the observers of
a real desk, whose admission, circuits and spending do what they do in a service. What disks and other threads
do (records, deliveries, the watch over the loop) is told by hand.
"""

from __future__ import annotations

import email.utils
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from prometheus_client import Metric
from prometheus_client.openmetrics.exposition import generate_latest

from callbridge.call import facts
from callbridge.call.telephone_facts import CarrierAlert
from callbridge.records.outbox.delivery import DeliveryState
from callbridge.records.shipping import Behind
from callbridge.server.config.prices import read_prices
from callbridge.server.process.measuring.measuring import DeskSeen
from callbridge.server.process.reporting import ModelHealth, SpendMeter
from callbridge.simulators.voice_model import ConnectFault, Fault
from desks import FrontDesk, LiveCall
from random_calls import noise, random_caller, random_script, random_world
from worlds import BEGINS_AT_S, PLAN, Conditions, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.call.facts import Fact

JOB: Final = "callbridge"
SCRAPED_EVERY_S: Final = 60.0
"""A quarter as often as in a service: as good for rules, and a quarter of the samples."""
GOES_WRONG_AFTER_S: Final = 300.0
"""In an hour with a fault all is well at first."""
OFFERED_BEFORE_S: Final = 1.0
"""From the webhook to the stream."""

Course = tuple[tuple[float, "Fact"], ...]
"""What is noted of one stream, with the seconds since it began."""

GOOD_SEEDS: Final = (0, 1, 2, 4, 6, 7, 8, 10)


def course(world: World) -> Course:
    """What such a call leaves, once it is played."""
    world.plan = replace(world.plan, price=read_prices().list.model(PLAN.model))
    world.run()
    return tuple((at - BEGINS_AT_S, fact) for at, fact in world.facts)


@cache
def good_calls() -> tuple[Course, ...]:
    """Calls in which nothing goes wrong, though callers interrupt and tools take their time."""
    return tuple(course(random_world(seed)) for seed in GOOD_SEEDS)


@cache
def calls_with(kind: str) -> tuple[Course, ...]:
    """Calls with a fault that every one of them has."""
    return tuple(course(_faulty(kind, seed)) for seed in range(3))


def _faulty(kind: str, seed: int) -> World:
    rng = random.Random(seed)
    script, caller, clip = random_script(rng), random_caller(rng, keys=False), noise(rng, 600)
    conditions = Conditions()
    match kind:
        case "refused key":
            script = msgspec.structs.replace(script, connect=(ConnectFault(kind="refuse", status=401),))
        case "slow dial":
            conditions = replace(conditions, dial_s=3.2)
        case "lost session":
            lost = Fault(kind="abort", after_ms=3000, connection=1)
            script = msgspec.structs.replace(script, faults=(lost,))
        case "no clip":  # And a dial of five seconds, in which nothing at all is to be heard.
            conditions, clip = replace(conditions, dial_s=4.8), b""
    return World(script, caller, seed, conditions, clip=clip)


@dataclass
class Hour:
    """One process for a while.

    Args:
        begins_at: in seconds since 1970.
        lasts_s: how long it is scraped.
        environment: its settings.
        goes_wrong: is called once, when all was well for five minutes.
        keeps_wrong: is called with each scrape from then on.
        wrong_calls: the kind of calls that come from then on (`calls_with`).
        call_every_s: how often a call comes.
    """

    begins_at: float
    lasts_s: float = 1200.0
    environment: Mapping[str, str] = field(default_factory=dict)
    goes_wrong: Callable[[Hour], None] | None = None
    keeps_wrong: Callable[[Hour], None] | None = None
    wrong_calls: str = ""
    call_every_s: float = 18.0
    is_wanted: Callable[[str], bool] = lambda _: True
    """Which families are kept, by name: an hour in which one rule is to ring has no need of the others."""

    def __post_init__(self) -> None:
        self.front = FrontDesk(self.environment)
        self.desk = self.front.desk
        self.front.wall_now = self.begins_at
        self.is_up = True
        self.records = SimpleNamespace(
            behind=Behind(), trouble=None, shipped=0, shed=0, streams_lost=0, noted=self._shipped
        )
        self.settled = Counter[tuple[str, DeliveryState]]()
        records: Any = self.records
        webhooks: Any = SimpleNamespace(outbox=SimpleNamespace(receivers={"crm": None}, settled=self.settled))
        self.desk.records, self.desk.webhooks = records, webhooks
        measures = self.desk.measures
        measures.is_certificate_trusted, measures.certificate_ends_at = True, self.begins_at + 60 * 86_400
        measures.deliveries_waiting, measures.processes = {"crm": 0}, 1
        self.clock_is_ahead_s = 0.0
        self.lag_s, self.lag_share = 0.001, 0.0
        self.delivered_each = 2
        self._observers: tuple[Callable[[Fact], None], ...] = (
            *(ModelHealth(self.desk), SpendMeter(self.desk), self.desk.metrics),
            self._shipped,
        )
        self._seen = DeskSeen(self.desk)
        self._rng = random.Random(self.begins_at)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._began = self.front.now

    @property
    def ends_at(self) -> float:
        """When it is over, in seconds since 1970."""
        return self.begins_at + self.lasts_s

    @property
    def is_wrong(self) -> bool:
        """Whether what goes wrong does so by now."""
        return self.front.now - self._began >= GOES_WRONG_AFTER_S

    def scrapes(self) -> Iterator[tuple[float, list[Metric]]]:
        """Plays it; answers what is read each time, and when."""
        self._at(2.0, self._call_comes)
        if self.goes_wrong is not None:
            self._at(GOES_WRONG_AFTER_S, partial(self.goes_wrong, self))
        at = 0.0
        while at < self.lasts_s:
            at += SCRAPED_EVERY_S
            while self._due and self._due[0][0] <= at:
                due, _, work = heapq.heappop(self._due)
                self._turn_to(due)
                work()
            self._turn_to(at)
            if self.keeps_wrong is not None and self.is_wrong:
                self.keeps_wrong(self)
            self._look_around()
            yield self.front.wall_now, self._read()

    def _read(self) -> list[Metric]:
        up = Metric("up", "Whether it answers.", "gauge")
        up.add_sample("up", {}, float(self.is_up))
        read = self.desk.metrics.collect(self._seen) if self.is_up else ()
        return [up, *(metric for metric in read if self.is_wanted(metric.name))]

    def _turn_to(self, at: float) -> None:
        self.front.now, self.front.wall_now = self._began + at, self.begins_at + at

    def _at(self, at: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), work))

    def _look_around(self) -> None:
        """What threads and the loop do between two scrapes."""
        lags = self.front.loop_watch.lags
        for _ in range(300):
            lags.add(self.lag_s if self._rng.random() < self.lag_share else self._rng.uniform(0, 0.004))
        self.settled["crm", DeliveryState.DONE] += self.delivered_each
        self.desk.metrics._now = lambda: self.front.now
        self.desk.metrics.relayed("uplink", self.front.now - self._rng.uniform(0, 0.004))
        self.desk.metrics.relayed("downlink", self.front.now - self._rng.uniform(0, 0.004))
        now = self.front.wall_now - self.clock_is_ahead_s
        self.desk.measures.told_date(email.utils.formatdate(now, usegmt=True))

    def _shipped(self, _fact: Fact) -> None:
        self.records.shipped += 1

    # --- Calls

    def _call_comes(self) -> None:
        desk, now = self.desk, self.front.now
        at = now - self._began
        self._at(at + self._rng.expovariate(1 / self.call_every_s), self._call_comes)
        call_sid = f"CA{int(self.begins_at):016x}{next(self._numbers):016x}"
        desk.look_around()
        declined = desk.admission.offer(call_sid, PLAN.model, now)
        desk.note(call_sid, facts.CallOffered("+14155550100", "+14155550199", declined or ""))
        if declined is not None:
            desk.release(call_sid)
            return
        courses = calls_with(self.wrong_calls) if self.wrong_calls and self.is_wrong else good_calls()
        self._at(at + OFFERED_BEFORE_S, lambda: self._stream_begins(call_sid, self._rng.choice(courses)))

    def _stream_begins(self, call_sid: str, chosen: Course) -> None:
        desk, live, at = self.desk, LiveCall(), self.front.now - self._began
        desk.metrics.dialled("connected", self._rng.uniform(0.08, 0.4))
        if desk.admission.started(call_sid, self.front.now):
            desk.live_calls.add(call_sid, live)
        for after_s, fact in chosen:
            told = msgspec.structs.replace(fact, call_sid=call_sid)
            self._at(at + after_s, partial(self._tell, told))
        self._at(at + chosen[-1][0] + 1.0, lambda: self._call_is_over(call_sid, live))

    def _tell(self, fact: Fact) -> None:
        for observe in self._observers:
            observe(fact)

    def _call_is_over(self, call_sid: str, live: LiveCall) -> None:
        desk = self.desk
        desk.note(call_sid, facts.StreamAsked("hang_up"))
        if desk.live_calls.find(call_sid) is live:
            desk.live_calls.remove(call_sid, live)
            desk.admission.ended(call_sid, self.front.now)
        desk.release(call_sid)

    def alert(self, code: str) -> None:
        """Twilio has an error about one of the calls."""
        self.desk.note("CA" + "e" * 32, CarrierAlert("NO" + "1" * 32, code, "error"))


def as_open_metrics(hours: Iterable[tuple[str, Iterable[tuple[float, list[Metric]]]]]) -> bytes:
    """All that was read, as one text in which the samples of each series stand together, in their order.

    Args:
        hours: the name of the instance, and what was read of it, when.
    """
    families: dict[str, Metric] = {}
    series: dict[str, dict[tuple[Any, ...], list[tuple[str, dict[str, str], float, float]]]] = {}
    for instance, scrapes in hours:
        for at, metrics in scrapes:
            for metric in metrics:
                families.setdefault(metric.name, metric)
                of_family = series.setdefault(metric.name, {})
                for sample in metric.samples:
                    labels = {"job": JOB, "instance": instance, **sample.labels}
                    key = sample.name, *sorted(labels.items())
                    of_family.setdefault(key, []).append((sample.name, labels, sample.value, at))
    text: bytes = generate_latest(_Kept(families, series))  # type: ignore[no-untyped-call]  # It has no types.
    return text


@dataclass
class _Kept:
    families: Mapping[str, Metric]
    series: Mapping[str, Mapping[tuple[Any, ...], list[tuple[str, dict[str, str], float, float]]]]

    def collect(self) -> Iterator[Metric]:
        for name, metric in self.families.items():
            family = Metric(name, metric.documentation, metric.type)
            for samples in self.series[name].values():
                for of_sample in samples:
                    family.add_sample(*of_sample)
            yield family
