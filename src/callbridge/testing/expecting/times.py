"""What a test expects of times: how long the caller waited, how soon the agent fell silent, what it cost.

A bound holds for what was measured. Where nothing was measured it is not met, and a percentile of too few
measurements is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.records.latency import percentiles
from callbridge.testing.expecting.unmet import Unmet, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.records.story import CallStory, Turn
    from callbridge.simulators.phone import CallReport

__tracebackhide__ = True

P95_COUNT_MIN: Final = 20
"""The 95th of a hundred is the largest of fewer than twenty: a chance, and no percentile."""


def latency(
    story: CallStory, p50_ms: int | None, p95_ms: int | None, max_ms: int | None
) -> Iterable[Unmet | None]:
    """From the end of the caller's speech to the first audio that they heard, over the turns of a call."""
    turns = [turn for turn in story.turns if turn.latency is not None]
    found = [_waited(turn) for turn in turns]
    values = [turn.latency.whole_ms for turn in turns if turn.latency is not None]
    yield from bounded("latency", values, found, p50_ms=p50_ms, p95_ms=p95_ms, max_ms=max_ms)


def bounded(
    what: str,
    values: Sequence[int],
    found: Sequence[str],
    *,
    p50_ms: int | None = None,
    p95_ms: int | None = None,
    max_ms: int | None = None,
) -> Iterable[Unmet | None]:
    """Bounds of measured times, one by one.

    Raises:
        ValueError: no bound is given.
    """
    if p50_ms is None and p95_ms is None and max_ms is None:
        raise ValueError(f"say what the {what} is to be: p50_ms, p95_ms or max_ms")
    measured = percentiles(values)
    if measured is None:
        yield missing(f"the {what}", "no caller's turn was answered", found)
        return
    if p50_ms is not None and measured.p50 > p50_ms:
        yield _over(f"median {what}", measured.p50, p50_ms, found)
    if p95_ms is not None and measured.count < P95_COUNT_MIN:
        why = f"{measured.count} measurements are no percentile, it takes {P95_COUNT_MIN}; use max_ms"
        yield missing(f"the p95 of the {what}", why, found)
    elif p95_ms is not None and measured.p95 > p95_ms:
        yield _over(f"p95 of the {what}", measured.p95, p95_ms, found)
    if max_ms is not None and measured.max > max_ms:
        yield _over(f"longest {what}", measured.max, max_ms, found)


def _over(what: str, measured_ms: int, bound_ms: int, found: Iterable[str]) -> Unmet:
    return Unmet(f"expected a {what} of at most {bound_ms} ms; it was {measured_ms} ms", tuple(found))


def _waited(turn: Turn) -> str:
    assert turn.latency is not None, "asked of turns that were measured"
    parts = ", ".join(f"{part.name} {part.ms}" for part in turn.latency.parts if part.ms)
    return f"turn {turn.number}: {turn.latency.whole_ms} ms ({parts})"


def greeting(report: CallReport, within_ms: int | None, *, is_whole: bool) -> Iterable[Unmet | None]:
    """How soon after dialling the caller heard the agent, and whether they heard the whole greeting."""
    heard = report.greeting
    if heard is None:
        yield missing("the greeting", "the agent was never heard", _sounds(report))
        return
    if within_ms is not None and heard.from_ms > within_ms:
        line = f"expected the greeting within {within_ms} ms of dialling; it came after {heard.from_ms} ms"
        yield Unmet(line, _sounds(report))
    if is_whole and heard.heard_ms < heard.sent_ms:
        line = f"expected the greeting to be heard whole; {heard.heard_ms} of {heard.sent_ms} ms were"
        yield Unmet(line, _sounds(report))


def first_audio(report: CallReport, within_ms: int) -> Unmet | None:
    """How soon after the `start` of the first stream the agent was heard: the service's own share."""
    firsts = [stream.first_audio_from_start_ms for stream in report.streams[:1]]
    first_ms = next((first for first in firsts if first is not None), None)
    if first_ms is None:
        return missing("the first audio", "the agent was not heard in the first stream", _sounds(report))
    if first_ms <= within_ms:
        return None
    line = f"expected the first audio within {within_ms} ms of the stream's start; it took {first_ms} ms"
    return Unmet(line, _sounds(report))


def barge_in(report: CallReport, within_ms: int) -> Unmet | None:
    """How long the agent was still heard after the caller began to speak into its words."""
    cuts = [cut for stream in report.streams for cut in stream.interruptions]
    if not cuts:
        return missing("the time to stop", "the caller never spoke into the agent's words", _sounds(report))
    found = tuple(
        f"{cut.caller_started_ms / 1000:.2f} s: "
        + ("still talking at the end" if cut.stop_ms is None else f"silent after {cut.stop_ms} ms")
        + ("" if cut.was_cleared else ", of itself")
        for cut in cuts
    )
    slow = [cut for cut in cuts if cut.stop_ms is None or cut.stop_ms > within_ms]
    if not slow:
        return None
    line = f"expected the agent to be silent within {within_ms} ms of the caller's first sound"
    return Unmet(f"{line}; {len(slow)} of {len(cuts)} times it was not", found)


def duration(report: CallReport, max_s: float | None, min_s: float | None) -> Unmet | None:
    """How long the call was, from dialling to its end."""
    if max_s is None and min_s is None:
        raise ValueError("say how long the call is to be: max_s or min_s")
    took_s = report.duration_ms / 1000
    if max_s is not None and took_s > max_s:
        return Unmet(f"expected a call of at most {max_s:g} s; it took {took_s:.1f} s")
    if min_s is not None and took_s < min_s:
        return Unmet(f"expected a call of at least {min_s:g} s; it took {took_s:.1f} s")
    return None


def cost(story: CallStory, max_dollars: float) -> Unmet | None:
    """What the call cost by the price list."""
    cost = story.cost
    found = tuple(f"{line.name}: ${line.microdollars / 1e6:.4f}" for line in cost.lines)
    if cost.unpriced:
        return missing("the cost", f"no price is known for {', '.join(cost.unpriced)}", found)
    if not cost.lines:
        return missing("the cost", "the call has no bill")
    dollars = cost.microdollars / 1e6
    if dollars <= max_dollars:
        return None
    return Unmet(f"expected a call for at most ${max_dollars:g}; it cost ${dollars:.4f}", found)


def _sounds(report: CallReport) -> tuple[str, ...]:
    """What the caller heard, for who wonders."""
    return tuple(f"{heard.from_ms} to {heard.to_ms} ms: {heard.what}" for heard in report.heard[:12])
