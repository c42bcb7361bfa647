"""Times of streams that more than one fact tells: what is pending of each, until it is known. No metrics.

What a latency is stands in `call/lived.py`, where the records have it from, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.call import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.lived import Answer

HEARD_MAX: Final = 32
"""Items of a stream whose hearing is remembered: those of a turn, which is recorded seconds later."""


@dataclass(slots=True)
class _Stream:
    began_ms: int
    """Since the call began."""
    has_spoken: bool = False
    heard_from: dict[str, int] = field(default_factory=dict)
    untold: dict[str, facts.TurnEnded] = field(default_factory=dict)
    """Turns that were recorded while their first item was still to be heard, by that item."""


class StreamTimes:
    """Those of all streams of a process.

    Args:
        answered: is told how each turn's answer came to be, once that is known.
        spoke: is told of each stream how long the agent took to its first audio, in ms.
    """

    def __init__(self, answered: Callable[[Answer], None], spoke: Callable[[int], None]) -> None:
        self._answered, self._spoke = answered, spoke
        self._streams: dict[tuple[str, str], _Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __call__(self, fact: facts.Fact) -> None:
        """One fact, in the order in which it happened."""
        key = fact.call_sid, fact.source
        match fact:
            case facts.StreamStarted():
                self._streams[key] = _Stream(fact.at_ms)
            case facts.TurnEnded() if (stream := self._streams.get(key)) is not None:
                self._turn_ended(stream, fact)
            case facts.ItemHeard(item_id, began_ms=began_ms) if began_ms is not None and key in self._streams:
                self._heard(self._streams[key], item_id, began_ms)
            case facts.StreamEnded() if (stream := self._streams.pop(key, None)) is not None:
                self._ended(stream, fact)
            case _:
                pass

    def _turn_ended(self, stream: _Stream, turn: facts.TurnEnded) -> None:
        answer = turn.answer
        if answer is None:
            return
        if not stream.has_spoken and answer.sent_ms is not None:
            self._has_spoken(stream, max(answer.sent_ms - stream.began_ms, 0))
        answer = answer.first_heard(turn.items, stream.heard_from)
        if answer.heard_ms is None and turn.items:
            stream.untold[turn.items[0].item_id] = turn
        else:
            self._answered(answer)

    def _heard(self, stream: _Stream, item_id: str, began_ms: int) -> None:
        stream.heard_from[item_id] = began_ms
        while len(stream.heard_from) > HEARD_MAX:
            del stream.heard_from[next(iter(stream.heard_from))]
        turn = stream.untold.pop(item_id, None)
        if turn is not None and turn.answer is not None:
            self._answered(turn.answer.first_heard(turn.items, stream.heard_from))

    def _ended(self, stream: _Stream, end: facts.StreamEnded) -> None:
        """What nobody heard is told as far as it is known."""
        for turn in stream.untold.values():
            if turn.answer is not None:
                self._answered(turn.answer)
        if not stream.has_spoken and end.first_audio_ms is not None:
            self._has_spoken(stream, end.first_audio_ms)

    def _has_spoken(self, stream: _Stream, after_ms: int) -> None:
        stream.has_spoken = True
        self._spoke(after_ms)
