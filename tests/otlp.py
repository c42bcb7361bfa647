"""A receiver of traces, as OpenTelemetry describes it: OTLP over HTTP, in a thread beside a test.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import importlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 10.0


@dataclass(frozen=True)
class GotEvent:
    """An event of a span."""

    name: str
    at: float
    attributes: dict[str, Any]


@dataclass(frozen=True)
class GotSpan:
    """A span as it came. Times in seconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    began_at: float
    ended_at: float
    attributes: dict[str, Any]
    events: list[GotEvent]
    fault: str
    resource: dict[str, Any]

    @property
    def operation(self) -> str:
        """What the conventions call it."""
        return str(self.attributes.get("gen_ai.operation.name", ""))


@dataclass
class Receiver:
    """What came, and how it is answered."""

    status: int = 200
    is_held: bool = False
    """Whether requests are left without an answer, until `let_go`."""
    bodies: list[bytes] = field(default_factory=list)
    """Of the requests that were taken, decompressed."""
    requests: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    _go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """What stands in OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[GotSpan]:
        """All that came so far, in the order in which they ended."""
        found = [span for body in self.bodies for span in decoded(body)]
        return sorted(found, key=lambda span: span.ended_at)

    def named(self, beginning: str) -> list[GotSpan]:
        """Those whose name begins so."""
        return [span for span in self.spans if span.name.startswith(beginning)]

    def let_go(self) -> None:
        """Answers whoever waits, and those who come."""
        self.is_held = False
        self._go_on.set()

    def wait_for_requests(self, count: int) -> None:
        """Returns when so many have come."""
        ends_at = time.monotonic() + DEADLINE_S
        while self.requests < count:
            assert time.monotonic() < ends_at, f"{self.requests} of {count} requests came"
            time.sleep(0.005)

    def wait_for_spans(self, count: int) -> None:
        """Returns when so many have come."""
        ends_at = time.monotonic() + DEADLINE_S
        while len(self.spans) < count:
            assert time.monotonic() < ends_at, f"{len(self.spans)} of {count} spans came"
            time.sleep(0.1)


def decoded(body: bytes) -> list[GotSpan]:
    """The spans of one request."""
    service = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    request = service.ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _attributes(group.resource.attributes))
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _span(span: Any, resource: dict[str, Any]) -> GotSpan:
    return GotSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.start_time_unix_nano / 1e9,
        span.end_time_unix_nano / 1e9,
        _attributes(span.attributes),
        [GotEvent(one.name, one.time_unix_nano / 1e9, _attributes(one.attributes)) for one in span.events],
        span.status.message if span.status.code == 2 else "",
        resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens; nothing of it is left."""
    found = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.requests += 1
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.is_held:
                found._go_on.wait(2 * DEADLINE_S)
            status = 200 if self.path == "/v1/traces" and found.status == 200 else found.status
            if status == 200:
                found.bodies.append(gzip.decompress(body))
            with contextlib.suppress(OSError):  # Who waits no longer is gone.
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="otlp receiver")
    thread.start()
    try:
        yield found
    finally:
        found.let_go()
        server.shutdown()
        thread.join()
        server.server_close()
