"""What a wait was made of, whatever order its moments come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callbridge.call.lived import Answer
from callbridge.records.latency import latency_of, percentiles
from callbridge.records.story import Percentiles, Span

MOMENTS = st.none() | st.integers(0, 5000)
SPANS = st.lists(st.builds(Span, st.integers(0, 5000), st.integers(0, 5000)), max_size=4)


@given(st.builds(Answer, MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS), SPANS)
def test_the_parts_sum_to_the_whole(answer: Answer, tools: list[Span]) -> None:
    """To the millisecond, none of them is negative, and without either end there is no wait."""
    latency = latency_of(answer, tools)
    if latency is None:
        ended_ms, heard_ms = answer.ended_ms, answer.heard_ms
        assert ended_ms is None or heard_ms is None or heard_ms < ended_ms
        return
    assert sum(part.ms for part in latency.parts) == latency.whole_ms
    assert min(part.ms for part in latency.parts) >= 0
    assert latency.ours_ms == sum(part.ms for part in latency.parts if part.owner == "ours")


def test_two_tools_that_run_at_once_are_waited_for_once() -> None:
    """What lies between two rounds of them is the model's."""
    answer = Answer(500, 0, asked_ms=3000, created_ms=3100, sent_ms=3300, heard_ms=3400)
    latency = latency_of(answer, [Span(2000, 2900), Span(800, 1500), Span(900, 1400)])
    assert latency is not None
    assert [(part.name, part.ms) for part in latency.parts] == [
        ("turn detection", 500),
        ("call of a tool", 300 + 500),
        ("tools", 700 + 900),
        ("response asked for", 100),
        ("response created", 100),
        ("first delta", 200),
        ("first audio sent", 0),
        ("first audio heard", 100),
    ]


def test_a_tool_that_answers_later_is_not_waited_for() -> None:
    """The agent has gone on meanwhile."""
    answer = Answer(500, 0, created_ms=600, sent_ms=800, heard_ms=850)
    latency = latency_of(answer, [Span(550, 4000)])
    assert latency is not None
    assert "tools" not in {part.name for part in latency.parts}


def test_percentiles_are_values_that_were_measured() -> None:
    """By nearest rank."""
    assert percentiles(range(1, 21)) == Percentiles(20, 10, 18, 19, 20, 20)
    assert percentiles([7]) == Percentiles(1, 7, 7, 7, 7, 7)
    assert percentiles([]) is None
