"""The traces of a process: of which calls, with how much, and what the watch over its loop adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

import canaries
from callbridge.call import facts
from callbridge.call.facts import EndReason
from callbridge.observe.loop_watch import LoopWatch
from callbridge.server.process.measuring.tracing import open_tracing, sent
from desks import made_settings
from otlp import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.call.facts import Fact
    from otlp import GotSpan, Receiver

pytest.importorskip("opentelemetry.sdk.trace")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")

NOW = 1_790_000_000.0
LONG = f"HTTP 403: {canaries.NUMBER} may not use {canaries.TOKEN}"
CALL: tuple[Fact, ...] = (
    facts.StreamStarted(canaries.NUMBER, canaries.NUMBER, agent="clinic"),
    facts.TurnEnded(1, canaries.WORDS, canaries.ANSWER, None, interrupted=False),
    facts.StreamEnded(EndReason.MODEL_LOST, LONG, is_admitted=True),
    facts.CallClosed(5),
)


@pytest.fixture
def receives() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


async def traced(receives: Receiver, *calls: str, **more: str) -> list[GotSpan]:
    """What a process sends of these calls; also of a loop that was late."""
    environment = {
        "CALLBRIDGE_TRACES": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receives.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={canaries.TOKEN}",
    }
    watch = LoopWatch()
    tracing = open_tracing(made_settings(environment | more), lambda: NOW, watch)
    assert tracing is not None
    async with sent(tracing):
        for call_sid in calls:
            for number, fact in enumerate(CALL, 1):
                place = {"call_sid": call_sid, "source": f"MZ{call_sid}", "number": number, "at_ms": number}
                tracing(msgspec.structs.replace(fact, **place))
        tracing.loop_lagged(2.5, f'File "agent.py", in book\n  call("{canaries.NUMBER}")')
    tracing.loop_lagged(2.5, "")  # Nobody sends any more, and nothing fails.
    return receives.spans


async def test_of_a_share_of_the_calls_whole_calls_are_sent(receives: Receiver) -> None:
    calls = [f"CA{number:032x}" for number in range(40)]
    spans = await traced(receives, *calls, CALLBRIDGE_TRACES_SHARE="0.5")
    by_call: dict[str, set[str]] = {}
    for span in spans:
        if "gen_ai.conversation.id" in span.attributes:
            by_call.setdefault(span.attributes["gen_ai.conversation.id"], set()).add(span.name)
    assert 10 < len(by_call) < 30
    assert set(map(frozenset, by_call.values())) == {frozenset({"invoke_agent clinic", "end"})}


async def test_what_peers_say_is_stripped_before_it_leaves(receives: Receiver) -> None:
    spans = await traced(receives, "CA1")
    assert canaries.found_in(b"".join(receives.bodies)) == []
    (end,) = [span for span in spans if span.name == "end"]
    assert (end.fault, end.attributes["callbridge.detail"]) == (
        "model_lost",
        "HTTP 403: +********71 may not use ********",
    )


async def test_a_late_loop_is_sent_with_its_stack(receives: Receiver) -> None:
    (lag,) = await traced(receives)
    assert (lag.name, lag.parent_id, lag.attributes["callbridge.lag_ms"]) == ("event loop late", "", 2_500)
    assert lag.attributes["code.stacktrace"].startswith('File "agent.py", in book')
    assert "gen_ai.conversation.id" not in lag.attributes
