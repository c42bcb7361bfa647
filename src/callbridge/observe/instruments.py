"""What is measured of calls: every counter and histogram that facts move, with its words and its buckets.

Names as Prometheus wants them: base units, `_total` for what only grows
(https://prometheus.io/docs/practices/naming/). What is read when somebody asks stands with who has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Histogram

from callbridge.call.end_reasons import EndReason
from callbridge.call.outcomes import TextOutcome, ToolOutcome, TransferOutcome
from callbridge.call.usage import TOKEN_KINDS
from callbridge.observe.label_values import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

PREFIX: Final = "callbridge"

FIRST_AUDIO_S: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
TURN_S: Final = (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
RESPONSE_S: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6, 2.5, 4.0, 8.0)
BARGE_IN_S: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5)
ROUND_TRIP_S: Final = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
SILENCE_S: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0)
GAP_S: Final = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
STREAM_S: Final = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
TOOL_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
DIAL_S: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
RELAY_S: Final = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)

DIAL_OUTCOMES: Final = ("connected", "rate_limited", "refused", "unreachable", "timed_out", "no_descriptors")
BILLED: Final = ("response", "transcription", "line")
REPLACED_BY: Final = ("lost", "renewed")
WAITED_FOR: Final = ("session", "answer")
DIRECTIONS: Final = ("uplink", "downlink")
DOING: Final = ("dial", "configure", "call")
TROUBLES: Final = ("rate_limit", "configuration", "fatal", "no_descriptors", "passing")
ALERT_LEVELS: Final = ("error", "warning")
CALL_STATUSES: Final = ("completed", "busy", "failed", "no-answer", "canceled")
"""Those of Twilio's `CallStatus` that are the last of a call
(https://www.twilio.com/docs/voice/api/call-resource#call-status-values)."""

NOT_KEPT: Final = ("start", "consent", "end", "tool")


class Instruments:
    """All of them, in one registry. A closed list of labels begins at 0: a first error is an increase."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._of_calls()
        self._of_times()
        self._of_models()
        self._of_tools()
        self._of_others()

    def _of_calls(self) -> None:
        self.offered = self._counter("calls_offered", "Calls about which Twilio has asked, each once.")
        self.declined = self._counter("calls_declined", "Calls that were not taken, by the reason.", "reason")
        self.over = self._counter(
            "calls_ended", "Calls of whose end Twilio has told, as it names that.", "status"
        )
        self.started = self._counter(
            "streams_started", "Streams that were admitted: of a new call, or one that goes on.", "kind"
        )
        self.ended = self._counter("streams_ended", "Streams that have ended, by the reason.", "reason")
        self.unanswered = self._counter(
            "streams_unanswered", "Admitted streams that ended before the agent had said anything."
        )
        self.follows = self._counter(
            "streams_followed", "What Twilio was told to do with a call after its stream.", "what"
        )
        self.transfers = self._counter("transfers", "Transfers to a person that have ended.", "outcome")
        self.handoffs = self._counter("handoffs", "Callers handed over from one agent to another in a call.")
        self.texts = self._counter("texts", "News of text messages to callers.", "outcome")
        self.humans = self._counter(
            "fallback_dials", "Humans who were rung because the agent could not answer.", "status"
        )
        self._zero(self.over, [(status,) for status in CALL_STATUSES])
        self._zero(self.started, [("new",), ("continued",)])
        self._zero(self.ended, [(reason.value,) for reason in EndReason])
        self._zero(self.transfers, [(outcome.value,) for outcome in TransferOutcome])
        self._zero(self.texts, [(outcome.value,) for outcome in TextOutcome])

    def _of_times(self) -> None:
        self.first_audio = self._histogram(
            "first_audio_seconds",
            "From the admitted start of a stream to the first audio of the agent that left for the phone.",
            FIRST_AUDIO_S,
        )
        self.turn_latency = self._histogram(
            "turn_latency_seconds",
            "From the end of the caller's speech to the first audio that they heard.",
            TURN_S,
        )
        self.response = self._histogram(
            "model_response_seconds",
            "From the moment in which the caller was known to have stopped to the model's first audio.",
            RESPONSE_S,
        )
        self.barge_in = self._histogram(
            "barge_in_stop_seconds",
            "From the first sound of a caller who interrupts to the clear that stops the agent.",
            BARGE_IN_S,
        )
        self.round_trip = self._histogram(
            "mark_round_trip_seconds",
            "From the first audio of an answer that left to the mark's echo that it was heard.",
            ROUND_TRIP_S,
        )
        self.silence = self._histogram(
            "silence_seconds",
            "The longest time, of each stream, in which the caller waited for the agent and heard nothing.",
            SILENCE_S,
        )
        self.gap = self._histogram("media_gap_seconds", "Times in which a phone sent no audio.", GAP_S)
        self.duration = self._histogram("stream_duration_seconds", "How long streams have lasted.", STREAM_S)
        self.relay = self._histogram(
            "relay_seconds",
            "From the event loop's wake-up to the end of a frame's way through the relay: one frame in 64 of "
            "the uplink, one in each mark of the downlink, to the millisecond.",
            RELAY_S,
            "direction",
        )
        self._zero(self.relay, [(direction,) for direction in DIRECTIONS])

    def _of_models(self) -> None:
        self.dials = self._histogram(
            "model_dial_seconds", "Dials to the model, probes among them, by outcome.", DIAL_S, "outcome"
        )
        self.ready = self._histogram(
            "model_ready_seconds",
            "From the admitted start of a stream to its confirmed session of the model.",
            FIRST_AUDIO_S,
        )
        self.replaced = self._histogram(
            "model_session_replaced_seconds",
            "Sessions that were replaced in a call, by the cause: how long until another one stood.",
            SILENCE_S,
            "cause",
        )
        self.troubles = self._counter(
            "model_troubles", "Sessions that could not be had or were lost, by what was done.", "doing", "why"
        )
        self.clips = self._counter(
            "clips_played", "How often a caller heard that it takes a moment, by what was missing.", "missing"
        )
        self.tokens = self._counter("tokens", "Tokens that were billed, by kind; none in two kinds.", "kind")
        self.cost = self._counter("cost_dollars", "What calls have cost, by what was billed.", "what")
        self._zero(self.dials, [(outcome,) for outcome in DIAL_OUTCOMES])
        self._zero(self.replaced, [(cause,) for cause in REPLACED_BY])
        self._zero(self.troubles, [(doing, why) for doing in DOING for why in TROUBLES])
        self._zero(self.clips, [(missing,) for missing in WAITED_FOR])
        self._zero(self.tokens, [(kind,) for kind in TOKEN_KINDS])
        self._zero(self.cost, [(what,) for what in BILLED])

    def _of_tools(self) -> None:
        self.tool_calls = self._counter(
            "tool_calls", "Calls of tools that the model was answered, by outcome.", "tool", "outcome"
        )
        self.tool_seconds = self._histogram(
            "tool_seconds", "How long tools ran, each that did.", TOOL_S, "tool"
        )
        self.captures = self._counter(
            "captures_delivered", "Forms that callers filled and that were handed on, by outcome.", "outcome"
        )
        self.guardrails = self._counter(
            "guardrails", "Guardrails that have tripped, by what came of it.", "guardrail", "outcome"
        )
        self._zero(self.captures, [(outcome.value,) for outcome in ToolOutcome])

    def _of_others(self) -> None:
        self.warnings = self._counter("call_warnings", "Warnings in the log of calls, by event.", "event")
        self.alerts = self._counter(
            "carrier_alerts", "Errors and warnings of Twilio's debugger about calls.", "level", "code"
        )
        self.not_kept = self._counter(
            "not_kept", "What was done although it was not on disk in time that it is.", "what"
        )
        self.scrape_failures = self._counter(
            "scrape_questions_failed", "Questions that were not answered in time for an answer to /metrics."
        )
        self._zero(self.alerts, [(level, OTHER) for level in ALERT_LEVELS])
        self._zero(self.not_kept, [(what,) for what in NOT_KEPT])

    def begin_at_zero(self, declines: Iterable[str], follows: Iterable[str]) -> None:
        """The same for lists that others have closed."""
        self._zero(self.declined, [(reason,) for reason in declines])
        self._zero(self.follows, [(what,) for what in follows])

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", told, labels, registry=self._registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", told, labels, buckets=buckets, registry=self._registry)

    def _zero(self, metric: Counter | Histogram, values: Iterable[tuple[str, ...]]) -> None:
        for labels in values:
            metric.labels(*labels)
