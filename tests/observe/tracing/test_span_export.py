"""The way out: spans as they were made reach a receiver, and one that is away costs nobody anything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from callbridge.observe.tracing import exporting as tested
from callbridge.observe.tracing.exporting import BATCH_MAX, QUEUE_MAX, Exporting, Receiver, load
from callbridge.observe.tracing.spans import Span, SpanEvent
from otlp import receiver
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    import otlp

pytest.importorskip("opentelemetry.sdk.trace")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")

SENT_S = 0.25
"""To put all of a queue away takes a quarter of that; to wait for a receiver would take seconds."""


def span(number: int, parent_id: int = 0) -> Span:
    return Span(
        trace_id=0xABC,
        span_id=number,
        parent_id=parent_id,
        name=f"tool {number}",
        began_at=1_790_000_000.25,
        ended_at=1_790_000_001.5,
        attributes={"n": number, "is": True, "of": ("a", "b"), "s": 0.5},
        events=(SpanEvent("cut", 1_790_000_001.0, {"heard_ms": 700}),),
        fault="timed_out" if number == 2 else "",
    )


@pytest.fixture
def tried_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again after the test."""
    monkeypatch.setattr(tested, "EXPORT_S", LAST_S)


def exporting(url: str) -> Exporting:
    load()
    return Exporting(Receiver(f"{url}/v1/traces", {"x-key": "abc"}, {"service.name": "bakery"}))


LAST_S = 0.2
"""In place of the two seconds that the end of a process waits."""


@pytest.fixture(autouse=True)
def _short_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "LAST_EXPORT_S", LAST_S)


@pytest.fixture
def receives() -> Iterator[otlp.Receiver]:
    with receiver() as found:
        yield found


def test_a_span_arrives_as_it_was_made(receives: otlp.Receiver) -> None:
    """With the ids that it was given: its parent may come later, or in another request."""
    sends = exporting(receives.url)
    sends.send(span(7, parent_id=9))
    sends.send(span(2))
    sends.close()
    child, failed = sorted(receives.spans, key=lambda one: one.name, reverse=True)
    assert (child.trace_id, child.span_id, child.parent_id) == (f"{0xABC:032x}", f"{7:016x}", f"{9:016x}")
    assert child.name == "tool 7"
    assert (child.began_at, child.ended_at) == pytest.approx((1_790_000_000.25, 1_790_000_001.5), abs=1e-6)
    assert child.attributes == {"n": 7, "is": True, "of": ["a", "b"], "s": 0.5}
    (event,) = child.events
    assert (event.name, event.attributes) == ("cut", {"heard_ms": 700})
    assert event.at == pytest.approx(1_790_000_001.0, abs=1e-6)
    assert (failed.parent_id, failed.fault, child.fault) == ("", "timed_out", "")
    assert child.resource["service.name"] == "bakery"
    assert receives.headers[0]["x-key"] == "abc"


def test_a_receiver_that_hangs_holds_nobody_up(receives: otlp.Receiver) -> None:
    """What is too much takes the place of the oldest; the end waits for a bounded time."""
    receives.is_held = True
    sends = exporting(receives.url)
    for number in range(1, BATCH_MAX + 1):
        sends.send(span(number))
    receives.wait_for_requests(1)
    began_at = time.monotonic()
    for number in range(BATCH_MAX + 1, BATCH_MAX + QUEUE_MAX + 101):
        sends.send(span(number))
    a_span_s = (time.monotonic() - began_at) / (QUEUE_MAX + 100)
    assert a_span_s < SENT_S / 100
    began_at = time.monotonic()
    sends.close()
    assert LAST_S <= time.monotonic() - began_at < LAST_S + 1
    receives.let_go()
    receives.wait_for_requests(1 + QUEUE_MAX // BATCH_MAX)
    names = {one.attributes["n"] for one in receives.spans}
    assert len(names) <= BATCH_MAX + QUEUE_MAX
    assert BATCH_MAX + 50 not in names  # It waited longest, and another one took its place.


@pytest.mark.usefixtures("tried_shortly")
@pytest.mark.parametrize("status", [429, 503, 400])
def test_a_receiver_that_refuses_is_left_alone_at_the_end(receives: otlp.Receiver, status: int) -> None:
    """429 and 503 are tried again for a while, and that ends with the process."""
    receives.status = status
    sends = exporting(receives.url)
    sends.send(span(1))
    began_at = time.monotonic()
    sends.close()
    assert time.monotonic() - began_at < LAST_S + 1
    assert receives.requests >= 1


@pytest.mark.usefixtures("tried_shortly")
def test_a_receiver_that_is_not_there_is_none() -> None:
    sends = exporting(f"http://127.0.0.1:{free_port()}")
    sends.send(span(1))
    began_at = time.monotonic()
    sends.close()
    assert time.monotonic() - began_at < LAST_S + 1
