"""The metrics of one process: what facts move, in a registry of its own, as Prometheus reads it.

An observer of facts like the others. Nothing here is asked for with a frame of audio, and no label has a
value that grows with calls: no number, no id, no word of anybody (`observe/label_values.py`). What is read
when somebody asks, like how many calls there are, is added by whoever has it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from callbridge.call import agent_facts, facts, record_facts
from callbridge.call.bill_facts import Billed
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.telephone_facts import CarrierAlert, TextTold, TransferEnded
from callbridge.observe.instruments import ALERT_LEVELS, CALL_STATUSES, DIAL_OUTCOMES, NOT_KEPT, Instruments
from callbridge.observe.label_values import Listed, Named
from callbridge.observe.stream_times import StreamTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from callbridge.call.lived import Answer

EVENTS_MAX: Final = 64
CODES_MAX: Final = 64
"""Twilio has thousands of codes, and an account in trouble a handful."""

_DIAL_STATUSES: Final = ("completed", "answered", "busy", "no-answer", "failed", "canceled")
"""Twilio's `DialCallStatus` (https://www.twilio.com/docs/voice/twiml/dial)."""

_RAN: Final = frozenset(
    {ToolOutcome.ANSWERED, ToolOutcome.FAILED, ToolOutcome.TIMED_OUT, ToolOutcome.CANCELLED}
)
"""Outcomes of a tool that exists, and did run. Names in others may be the model's invention."""

_NOT_KEPT: Final = Listed(NOT_KEPT)
_LEVELS: Final = Listed(ALERT_LEVELS)


class Collects(Protocol):
    """What has metrics to add when somebody asks: a collector of prometheus-client."""

    def collect(self) -> Iterable[Metric]:
        """All of them."""


class Metrics:
    """Told every fact of every call. For the event loop alone.

    Args:
        declines: the closed list of reasons for which a call is not taken.
        follows: the closed list of what Twilio is told after a stream.
        now: the clock of the event loop's times, in seconds.
    """

    def __init__(
        self,
        declines: Iterable[str] = (),
        follows: Iterable[str] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._of = Instruments(self.registry)
        self._declines, self._follows, self._now = Listed(declines), Listed(follows), now
        self._of.begin_at_zero(self._declines.values, self._follows.values)
        self._statuses, self._outcomes = Listed(_DIAL_STATUSES), Listed(DIAL_OUTCOMES)
        self._tools, self._events, self._codes = Named(), Named(EVENTS_MAX), Named(CODES_MAX)
        self._guardrails = Named()
        self._times = StreamTimes(self._answered, self._spoke)

    def __repr__(self) -> str:
        return f"<Metrics streams={len(self._times)}>"

    def text(self, accept: str, *beside: Collects) -> tuple[bytes, str]:
        """All of it, in the format that the header `Accept` asks for; and that as a content type.

        Args:
            accept: the header.
            beside: what is read when somebody asks.
        """
        encode, content_type = choose_encoder(accept)
        return encode(_Shown((self.registry, *beside))), content_type

    def collect(self, *beside: Collects) -> Iterator[Metric]:
        """All of it, family by family."""
        return _Shown((self.registry, *beside)).collect()

    # --- Facts ---

    def __call__(self, fact: facts.Fact) -> None:
        """One fact, in the order in which it happened."""
        self._times(fact)
        self._of_stream(fact)
        self._beside_streams(fact)

    def _of_stream(self, fact: facts.Fact) -> None:
        of = self._of
        match fact:
            case Billed():
                self._billed(fact)
            case facts.ToolUsed():
                self._tool_used(fact)
            case facts.Interrupted(after_ms=int(after_ms)):
                of.barge_in.observe(after_ms / 1000)
            case facts.GuardrailTripped(guardrail):
                of.guardrails.labels(self._guardrails.of(guardrail), _outcome_of(fact)).inc()
            case facts.Noted():
                self._noted(fact)
            case facts.StreamStarted(is_continued=is_continued):
                of.started.labels("continued" if is_continued else "new").inc()
            case facts.AgentReady(after_ms=after_ms):
                of.ready.observe(after_ms / 1000)
            case facts.ModelTrouble():
                of.troubles.labels(fact.doing, _why(fact)).inc()
            case facts.SessionReplaced(cause, after_ms):
                of.replaced.labels(cause).observe(after_ms / 1000)
            case facts.ClipPlayed(why):
                of.clips.labels("session" if why == "a session" else "answer").inc()
            case facts.StreamEnded():
                self._ended(fact)
            case _:
                pass

    def _beside_streams(self, fact: facts.Fact) -> None:
        of = self._of
        match fact:
            case facts.CallOffered(declined=reason):
                of.offered.inc()
                if reason:
                    of.declined.labels(self._declines.of(reason)).inc()
            case facts.StreamAsked(follows):
                of.follows.labels(self._follows.of(follows)).inc()
            case facts.CallReported(status=status) if status in CALL_STATUSES:  # Each is noted once.
                of.over.labels(status).inc()
            case facts.FallbackDialed(status):
                of.humans.labels(self._statuses.of(status)).inc()
            case TransferEnded(outcome=outcome):
                of.transfers.labels(outcome.value).inc()
            case TextTold(outcome=outcome):
                of.texts.labels(outcome.value).inc()
            case CarrierAlert(code=code, level=level):
                of.alerts.labels(_LEVELS.of(level), self._codes.of(code)).inc()
            case record_facts.NotKept(what):
                of.not_kept.labels(what if what in NOT_KEPT else "tool").inc()
            case agent_facts.AgentChanged():
                of.handoffs.inc()
            case agent_facts.CaptureDelivered(outcome=outcome):
                of.captures.labels(outcome).inc()
            case _:
                pass

    def _ended(self, end: facts.StreamEnded) -> None:
        of = self._of
        of.ended.labels(end.reason.value).inc()
        if not end.is_admitted:
            return
        of.duration.observe(end.duration_ms / 1000)
        if end.first_audio_ms is None:
            of.unanswered.inc()
        if end.silence_ms_max is not None:
            of.silence.observe(end.silence_ms_max / 1000)

    def _spoke(self, after_ms: int) -> None:
        self._of.first_audio.observe(after_ms / 1000)

    def _answered(self, answer: Answer) -> None:
        of = self._of
        for histogram, ms in (
            (of.turn_latency, answer.latency_ms),
            (of.response, answer.first_delta_ms),
            (of.round_trip, answer.way_ms),
        ):
            if ms is not None:
                histogram.observe(ms / 1000)

    def _billed(self, bill: Billed) -> None:
        self._of.cost.labels(bill.what).inc(max(bill.cost_microdollars, 0) / 1e6)
        if bill.used is not None:
            for kind, count in bill.used.by_kind.items():
                self._of.tokens.labels(kind).inc(count)

    def _tool_used(self, used: facts.ToolUsed) -> None:
        has_run = used.outcome in _RAN
        tool = self._tools.of(used.name) if has_run else self._tools.if_known(used.name)
        self._of.tool_calls.labels(tool, used.outcome.value).inc()
        if has_run:
            self._of.tool_seconds.labels(tool).observe(used.duration_ms / 1000)

    def _noted(self, note: facts.Noted) -> None:
        if note.is_warning:
            self._of.warnings.labels(self._events.of(note.event)).inc()
        if note.event == "media_gap":
            gap_s = dict(note.fields).get("gap_s")
            if isinstance(gap_s, int | float):
                self._of.gap.observe(gap_s)

    # --- What no fact tells ---

    def relayed(self, direction: Literal["uplink", "downlink"], woken_at: float) -> None:
        """A frame has passed in the turn of the event loop that began then."""
        self._of.relay.labels(direction).observe(max(self._now() - woken_at, 0.0))

    def dialled(self, outcome: str, took_s: float) -> None:
        """The model was dialled, by whomever."""
        self._of.dials.labels(self._outcomes.of(outcome)).observe(took_s)

    def was_not_told(self) -> None:
        """Something that was to be read for an answer did not answer in time."""
        self._of.scrape_failures.inc()


class _Shown:
    """Without the times at which series were made: nobody asks for them, and there are as many again."""

    def __init__(self, collectors: Iterable[Collects]) -> None:
        self._collectors = tuple(collectors)

    def collect(self) -> Iterator[Metric]:
        for collector in self._collectors:
            for metric in collector.collect():
                metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
                yield metric


def _outcome_of(trip: facts.GuardrailTripped) -> str:
    """What the caller has heard of it."""
    if not trip.was_cut:
        return "too_late"
    return "cut" if trip.heard_ms else "unheard"


def _why(trouble: facts.ModelTrouble) -> str:
    """What it says of us and of the model, the plainest word first."""
    if trouble.lacks_descriptors:
        return "no_descriptors"
    if trouble.is_rate_limit:
        return "rate_limit"
    if trouble.is_configuration:
        return "configuration"
    return "fatal" if trouble.is_fatal else "passing"
