"""Hands spans to the SDK of OpenTelemetry, which sends them from a thread of its own.

No call waits for it. What comes while the queue is full takes the place of what has waited longest, and a
receiver that does not answer is left alone for as long as one request may take. The libraries are loaded
where traces are wanted, and nowhere else.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.observe.tracing.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import TracerProvider

    from callbridge.observe.tracing.spans import Attributes, Span

QUEUE_MAX: Final = 4_096
"""Spans that wait, of 2 or 3 KB each. 250 calls end a hundred in a second: 40 s without a receiver."""

BATCH_MAX: Final = 128
"""Spans in one request."""

EVERY_S: Final = 2.0
"""How long a span waits for others at most, where its receiver keeps up."""

EXPORT_S: Final = 5.0
"""How long one request may take, with the times that it is tried again."""

LAST_EXPORT_S: Final = 2.0
"""How long the end of a process waits for what is left."""

_NS: Final = 1_000_000_000


class TracesError(Exception):
    """Traces cannot be had like this; says what to do."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where spans go, and as whose."""

    url: str
    """With its path: `http://localhost:4318/v1/traces`."""
    headers: Mapping[str, str]
    resource: Mapping[str, str]
    """Attributes of this service."""


def load() -> None:
    """Loads the libraries, which takes a third of a second: to be done before calls are served.

    Raises:
        TracesError: they are not installed.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: PLC0415 - an extra, and heavy
        import opentelemetry.sdk.trace.export  # noqa: F401, PLC0415 - an extra, and heavy
    except ImportError as error:
        raise TracesError("traces need OpenTelemetry. Run: pip install 'callbridge[otel]'") from error


class Exporting:
    """Sends spans. For one thread at a time; `load` comes first. It has a thread of its own from here on."""

    def __init__(self, receiver: Receiver) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        self._trace = trace
        self._ids, self._provider = _provider(receiver)
        self._tracer = self._provider.get_tracer(SCOPE)

    def send(self, span: Span) -> None:
        """Puts it into the queue."""
        trace = self._trace
        self._ids.of(span)
        sent = self._tracer.start_span(
            span.name,
            self._parent(span),
            trace.SpanKind.CLIENT if span.is_of_peer else trace.SpanKind.INTERNAL,
            _plain(span.attributes),
            start_time=_ns(span.began_at),
        )
        for event in span.events:
            sent.add_event(event.name, _plain(event.attributes), _ns(event.at))
        if span.fault:
            sent.set_status(trace.StatusCode.ERROR, span.fault)
        sent.end(_ns(span.ended_at))

    def close(self) -> None:
        """Sends what is left, for `LAST_EXPORT_S`: nobody waits longer for a receiver. Blocks."""
        closing = threading.Thread(target=self._provider.shutdown, name="last-traces", daemon=True)
        closing.start()
        closing.join(LAST_EXPORT_S)

    def _parent(self, span: Span) -> Any:
        """It may not be sent yet: a turn is over after its tools."""
        trace = self._trace
        if not span.parent_id:
            return trace.set_span_in_context(trace.INVALID_SPAN)
        sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        of = trace.SpanContext(span.trace_id, span.parent_id, is_remote=False, trace_flags=sampled)
        return trace.set_span_in_context(trace.NonRecordingSpan(of))


class _NextIds:
    """The ids of the span that is made next: the SDK asks for them."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def of(self, span: Span) -> None:
        self._trace_id, self._span_id = span.trace_id, span.span_id

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        return self._span_id

    def is_trace_id_random(self) -> bool:
        return False


def _provider(receiver: Receiver) -> tuple[_NextIds, TracerProvider]:
    """All that the SDK would read in the environment is said here, but for certificates and proxies."""
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415 - an extra
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415 - an extra

    exporter = OTLPSpanExporter(
        receiver.url, headers=dict(receiver.headers), timeout=EXPORT_S, compression=Compression.Gzip
    )
    ids: Any = _NextIds()  # It cannot be a kind of the SDK's: that is loaded only here.
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource.create(dict(receiver.resource)),
        shutdown_on_exit=False,
        id_generator=ids,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_MAX,
            schedule_delay_millis=EVERY_S * 1000,
            max_export_batch_size=BATCH_MAX,
        )
    )
    return ids, provider


def _plain(attributes: Attributes) -> dict[str, Any]:
    return dict(attributes)


def _ns(at: float) -> int:
    return round(at * _NS)
