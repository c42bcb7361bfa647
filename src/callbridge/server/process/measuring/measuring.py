"""What of a desk is read when somebody asks for metrics: how many calls there are, what waits, how it stands.

Nothing is counted here; whoever has it is asked. It costs what a look costs, once per answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from callbridge.observe.instruments import PREFIX
from callbridge.observe.label_values import Named
from callbridge.observe.loop_watch import LAGS_S
from callbridge.records.outbox.delivery import DeliveryState
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.circuit import State as CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from callbridge.records.outbox.deliveries import Outbox
    from callbridge.server.process.desk import Desk

MODELS_MAX: Final = 32


@dataclass(slots=True, eq=False)
class DeskSeen:
    """The metrics that are read. A collector of prometheus-client."""

    desk: Desk
    _models: Named = field(default_factory=lambda: Named(MODELS_MAX))
    _started_at: float = 0.0

    def __post_init__(self) -> None:
        self._started_at = self.desk.wall_now()

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._of_process()
        yield from self._of_calls()
        yield from self._of_money()
        yield from self._of_state()
        yield from self._of_records()
        yield from self._of_outside()

    def _of_process(self) -> Iterator[Metric]:
        desk = self.desk
        yield _gauges("build_info", "Always 1: which version runs.", "version", {version("callbridge"): 1})
        yield _gauge("start_time_seconds", "When the process was opened, since 1970.", self._started_at)
        is_draining = desk.drain.reason_not_ready() is not None
        yield _gauge("draining", "1 while no new call is taken because the process leaves.", is_draining)
        yield _gauge("leaving", "1 while calls are handed over.", desk.drain.is_leaving)
        if desk.loop_watch is not None:
            lags = desk.loop_watch.lags
            bounds = [*map(str, LAGS_S), "+Inf"]
            yield HistogramMetricFamily(
                f"{PREFIX}_loop_lag_seconds",
                "How late the event loop was, twenty times a second.",
                buckets=list(zip(bounds, accumulate(lags.counts), strict=True)),
                sum_value=lags.sum_s,
            )

    def _of_calls(self) -> Iterator[Metric]:
        desk, now = self.desk, self.desk.now()
        reserved = desk.admission.reserved(now)
        yield _gauges(
            "calls",
            "Calls of this process: with a stream, awaited in a reserved place, or lingering behind it.",
            "state",
            {"live": len(desk.live_calls), "reserved": reserved, "lingering": desk.live_calls.lingering},
        )
        yield _gauge("places", "Calls that may be had at once at this moment.", desk.admission.limit(now))
        yield _gauge("places_taken", "Places that calls have.", desk.admission.live(now))
        declines = desk.reasons_to_decline()
        yield _gauges(
            "declining",
            "1 for each reason for which a new call would be declined at this moment.",
            "reason",
            {reason.value: reason in declines for reason in DeclineReason},
        )
        yield _gauges(
            "circuit_open",
            "1 while no call is tried with this model, because it is down.",
            "model",
            {
                self._models.of(model): state is not CircuitState.CLOSED
                for model, state in desk.circuits.states(now).items()
            },
        )
        yield _gauge("sessions_waiting", "Sessions of the model that wait for their call.", len(desk.waiting))

    def _of_money(self) -> Iterator[Metric]:
        desk, now = self.desk, self.desk.now()
        spent = {
            "hour": desk.spending.hour_microdollars(now) / 1e6,
            "day": desk.spending.day_microdollars(now) / 1e6,
        }
        yield _gauges("spend_dollars", "What calls have cost in the last hour and day.", "window", spent)
        settings = desk.settings
        caps = {"hour": settings.spend_per_hour_max, "day": settings.spend_per_day_max}
        yield _gauges(
            "spend_cap_dollars",
            "What they may cost in it; from there on no new call is taken. Not there without a cap.",
            "window",
            {window: cap for window, cap in caps.items() if cap is not None},
        )

    def _of_state(self) -> Iterator[Metric]:
        state = self.desk.state
        waits = state.unwritten
        yield _gauge("state_up", "1 while what happens can be written down, 0 in trouble.", not state.trouble)
        yield _gauge("state_waiting_rows", "What is told and not written down yet.", waits.rows)
        yield _gauge("state_waiting_seconds", "For how long nothing of that was taken.", waits.for_s)
        yield _counter(
            "state_shed_rows", "Memory details that were lost for want of room.", state.events_shed
        )

    def _of_records(self) -> Iterator[Metric]:
        records = self.desk.records
        if records is None:
            return
        behind = records.behind
        age_s = 0.0 if behind.oldest_at is None else max(self.desk.wall_now() - behind.oldest_at, 0.0)
        yield _gauge("records_up", "1 while facts arrive in the database, 0 in trouble.", not records.trouble)
        yield _gauge("records_waiting_rows", "Facts in the journal that have not arrived there.", behind.rows)
        yield _gauge("records_waiting_seconds", "The age of the oldest of them.", age_s)
        yield _counter("records_shipped_rows", "Facts that have arrived there.", records.shipped)
        yield _counter("records_shed_rows", "Facts that were lost for want of room.", records.shed)
        yield _counter(
            "streams_lost",
            "Streams of processes that were gone, whose end this process has written down.",
            records.streams_lost,
        )

    def _of_deliveries(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            f"{PREFIX}_deliveries",
            "Attempts to deliver an event, by receiver and by what came of it.",
            labels=["receiver", "outcome"],
        )
        for outbox in outboxes(self.desk):
            for receiver in outbox.receivers:
                for state in DeliveryState:
                    counts.add_metric([receiver, state.value], outbox.settled[receiver, state])
        yield counts

    def _of_outside(self) -> Iterator[Metric]:
        known = self.desk.measures
        yield from self._of_deliveries()
        if known.deliveries_waiting is not None:
            waiting = known.deliveries_waiting
            yield _gauges("deliveries_waiting", "Events to be delivered, by receiver.", "receiver", waiting)
        if known.processes is not None:
            yield _gauge(
                "other_processes", "Other processes that share calls with this one.", known.processes
            )
        if known.clock_ahead_s is not None:
            yield _gauge(
                "clock_ahead_seconds",
                "How far the clock of this machine is ahead of the model's, by its latest answer to a dial.",
                known.clock_ahead_s,
            )
        if known.is_certificate_trusted is not None:
            yield _gauge(
                "certificate_trusted",
                "1 while the certificate of the public address is one that others trust.",
                known.is_certificate_trusted,
            )
        if known.certificate_ends_at is not None:
            yield _gauge(
                "certificate_expiry_timestamp_seconds",
                "When the certificate of the public address ends, since 1970.",
                known.certificate_ends_at,
            )


def outboxes(desk: Desk) -> tuple[Outbox[Any], ...]:
    """Those of whom this process tells something."""
    return tuple(sending.outbox for sending in (desk.webhooks, desk.nats) if sending is not None)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", told, value=float(value))


def _gauges(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    return _labelled(GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=[label]), values.items())


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", told, value=float(value))


def _labelled(family: GaugeMetricFamily, values: Iterable[tuple[str, float]]) -> Metric:
    for value, number in values:
        family.add_metric([value], float(number))
    return family
