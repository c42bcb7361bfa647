"""How long a caller waited for an answer, and for whom. What was not measured is None, never 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from callbridge.records.story import Latency, Part, Percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.lived import Answer
    from callbridge.records.story import Span

OURS = "ours"


def latency_of(answer: Answer, tools: Sequence[Span]) -> Latency | None:
    """`Answer.latency_ms`, with what it is made of.

    Args:
        answer: how the first audio came to be.
        tools: when tools ran, in the same time as the answer.
    """
    latency_ms = answer.latency_ms
    if latency_ms is None:
        return None
    assert answer.ended_ms is not None
    assert answer.heard_ms is not None
    wait = _Wait(answer.ended_ms, answer.heard_ms)
    wait.goes_on("turn detection", "setting", answer.stopped_ms)
    begins_by = answer.asked_ms if answer.asked_ms is not None else answer.created_ms
    if begins_by is not None:
        for tool in sorted(tools, key=lambda tool: tool.began_ms):
            if wait.at_ms <= tool.ended_ms <= begins_by:
                wait.goes_on("call of a tool", "model", tool.began_ms)
                wait.goes_on("tools", "tools", tool.ended_ms)
    wait.goes_on("response asked for", OURS, answer.asked_ms)
    wait.goes_on("response created", "model", answer.created_ms)
    wait.goes_on("first delta", "model", answer.sent_ms)
    wait.goes_on("first audio sent", OURS, answer.sent_ms)
    wait.goes_on("first audio heard", "phone", answer.heard_ms)
    parts = tuple(Part(name, ms, owner) for (name, owner), ms in wait.parts.items())
    ours_ms = sum(part.ms for part in parts if part.owner == OURS)
    return Latency(latency_ms, parts, ours_ms, answer.first_delta_ms)


class _Wait:
    """A stretch of time that is cut into parts from its beginning on: so they sum to it exactly."""

    def __init__(self, began_ms: int, ended_ms: int) -> None:
        self.at_ms, self._ended_ms = began_ms, ended_ms
        self.parts: dict[tuple[str, str], int] = {}

    def goes_on(self, name: str, owner: str, until_ms: int | None) -> None:
        """A part goes on until then; an end that is not known, or is past, adds nothing."""
        if until_ms is None:
            return
        until_ms = min(max(until_ms, self.at_ms), self._ended_ms)
        self.parts[name, owner] = self.parts.get((name, owner), 0) + until_ms - self.at_ms
        self.at_ms = until_ms


def percentiles(values: Iterable[int]) -> Percentiles | None:
    """By nearest rank: each is a value that was measured. None where none was."""
    known = sorted(values)
    if not known:
        return None
    p50, p90, p95, p99 = (_rank(known, percent) for percent in (50, 90, 95, 99))
    return Percentiles(len(known), p50, p90, p95, p99, max=known[-1])


def _rank(known: Sequence[int], percent: int) -> int:
    """The smallest value that so many per cent of them do not exceed."""
    return known[max(math.ceil(len(known) * percent / 100), 1) - 1]
