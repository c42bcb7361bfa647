"""Facts of calls that nobody makes: as many at once as a test wants, as busy as real ones.

A call of these begins, has a turn every few seconds with what belongs to it, and ends. Each fact is told to
whoever compares them with what is on record.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call import facts
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.call.facts import Fact

WORDS: Final = (
    "Good morning, I would like to move my appointment from Tuesday to Thursday at half past nine. "
)

ENDED: Final = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True)


def turn(number: int) -> Iterator[Fact]:
    """What is noted of one turn: twelve facts in some seven seconds of a call."""
    call_id = f"call_{number}"
    yield facts.noted("speech_started", audio_start_ms=number * 7000)
    yield facts.CallerSpoke(number, 1800)
    yield facts.noted("response_done", response_id=f"resp_{number}", status="completed")
    yield facts.Remembered(ToolStarted(number, call_id, "book", '{"day": "Thursday", "at": "9:30"}'))
    yield facts.Remembered(ToolAnswered(number, call_id, "book", '{"day": "Thursday"}', '{"booked": true}'))
    yield facts.ToolUsed("book", 120, 16)
    yield facts.Billed(Usage(input_tokens=400 * number, output_tokens=80 * number), 1200)
    yield facts.Billed(Usage(input_tokens=430 * number, output_tokens=90 * number), 1300)
    yield facts.Interrupted((("item_1", 900),), (), 400)
    yield facts.ItemHeard(f"item_{number}", 1)
    yield facts.TurnEnded(number, WORDS, WORDS * 2, 640, interrupted=False)
    yield facts.CallerWordsCame(number, WORDS, f"item_{number}")


@dataclass
class BusyCall:
    """One of them."""

    call_sid: str
    source: str
    number: int = 0
    turns: int = 0
    _waiting: list[Fact] = field(default_factory=list)

    def next(self, *, is_last: bool = False) -> Fact:
        """What is noted of it next."""
        if self.number == 0:
            return self._placed(facts.StreamStarted("+14155550101", "+14155550102", agent="reception"))
        if is_last:
            return self._placed(ENDED)
        if not self._waiting:
            self.turns += 1
            self._waiting = list(turn(self.turns))
        return self._placed(self._waiting.pop(0))

    def end(self) -> tuple[Fact, Fact]:
        """The last two: how it ended, and that nothing is waited for any more."""
        return self.next(is_last=True), self._placed(facts.CallClosed(20))

    def _placed(self, fact: Fact) -> Fact:
        self.number += 1
        place = {"call_sid": self.call_sid, "source": self.source, "number": self.number}
        return msgspec.structs.replace(fact, **place, at_ms=self.number * 600)


class BusyCalls:
    """So many calls at once; one that ends is followed by another.

    Args:
        at_once: how many.
        note: is told each fact.
        name: stands in all their names, which differ from those of others.
        rng: which call has something to say.
        facts_max: after so many a call ends; 0 for never.
    """

    def __init__(
        self, at_once: int, note: Callable[[Fact], None], name: str, rng: random.Random, facts_max: int = 0
    ) -> None:
        self._note, self._name, self._rng, self._facts_max = note, name, rng, facts_max
        self._made = 0
        self.live = [self._make() for _ in range(at_once)]

    def go_on(self, times: int = 1) -> None:
        """Something happens in so many calls, each any of them."""
        for _ in range(times):
            place = self._rng.randrange(len(self.live))
            call = self.live[place]
            if 0 < self._facts_max <= call.number:
                self._end(call)
                self.live[place] = self._make()
            else:
                self._note(call.next())

    def end(self) -> None:
        """All of them end."""
        for call in self.live:
            if call.number:
                self._end(call)

    def _end(self, call: BusyCall) -> None:
        for fact in call.end():
            self._note(fact)

    def _make(self) -> BusyCall:
        self._made += 1
        return BusyCall(f"CA{self._name}{self._made:06}", f"MZ{self._name}{self._made:06}")
