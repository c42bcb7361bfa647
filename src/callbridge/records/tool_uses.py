"""The tools of one stream: when each began, what it was asked, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from callbridge.call import facts
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.records.story import ToolUse

if TYPE_CHECKING:
    from callbridge.records.stream_facts import StreamFacts


@dataclass(frozen=True, slots=True)
class ToolDraft:
    """A tool, and the turn of the record that it says it belongs to; 0 where it says none."""

    turn: int
    use: ToolUse


def tools_of(stream: StreamFacts) -> list[ToolDraft]:
    """In the order in which they began. One that was not run has begun when it was answered."""
    found: dict[tuple[str, bool], ToolDraft] = {}
    answered: tuple[str, bool] | None = None
    for timed in stream.facts:
        match timed.fact:
            case facts.Remembered(ToolStarted() as begun):
                use = ToolUse(
                    begun.call_id, begun.name, timed.at_ms, arguments=begun.arguments, is_ours=begun.is_ours
                )
                found[begun.call_id, begun.is_ours] = ToolDraft(begun.turn, use)
            case facts.Remembered(ToolAnswered() as answer):
                answered = answer.call_id, answer.is_ours
                found[answered] = _answered(found.get(answered), answer, timed.at_ms)
            case facts.ToolUsed() as used:
                _used(found, answered, used, timed.at_ms)
                answered = None
            case _:
                answered = None
    return sorted(found.values(), key=lambda draft: draft.use.began_ms)


def _answered(begun: ToolDraft | None, answer: ToolAnswered, at_ms: int) -> ToolDraft:
    if begun is None:
        begun = ToolDraft(answer.turn, ToolUse(answer.call_id, answer.name, at_ms, is_ours=answer.is_ours))
    use = msgspec.structs.replace(
        begun.use,
        arguments=begun.use.arguments or answer.arguments,
        result=answer.output,
        outcome=answer.outcome.value,
        duration_ms=max(at_ms - begun.use.began_ms, 0),
    )
    return ToolDraft(begun.turn, use)


def _used(
    found: dict[tuple[str, bool], ToolDraft],
    answered: tuple[str, bool] | None,
    used: facts.ToolUsed,
    at_ms: int,
) -> None:
    """How long it ran. It stands behind the answer that it counts; without one it was not run at all."""
    if answered is not None and found[answered].use.name == used.name:
        begun = found[answered]
        use = msgspec.structs.replace(begun.use, duration_ms=used.duration_ms)
        found[answered] = ToolDraft(begun.turn, use)
        return
    began_ms = max(at_ms - used.duration_ms, 0)
    use = ToolUse(used.call_id, used.name, began_ms, outcome=used.outcome.value, duration_ms=used.duration_ms)
    key = used.call_id or f"{used.name} at {at_ms}", False
    if key not in found:
        found[key] = ToolDraft(used.turn, use)
