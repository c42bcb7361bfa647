"""Many calls that never end by themselves, and their bills: what they cost in all is bounded."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from callbridge.call.bill_facts import Billed
from callbridge.call.events import SpendRanOver
from callbridge.call.facts import EndReason
from callbridge.server.config.prices import read_prices
from callbridge.server.process.reporting import SpendMeter, money_was_spent
from callbridge.simulators.phone import Act
from callbridge.simulators.phone.caller import SILENT
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.switchboard.continuation import Continuation
from callbridge.switchboard.spending import ENDS_CALLS_AT_PERCENT, Spending
from random_calls import noise
from worlds import PLAN, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.call.facts import Fact
    from callbridge.server.process.desk import Desk
    from callbridge.simulators.phone import Ear

CALLS = 12
CAP = 300_000
"""In microdollars."""

HEARD_AFTER_S = 1.5
"""Until all processes know what one has spent: a commit, and a second at most until the others look."""

EVERY_MS = 6000
WORDS_MS = 600
ANSWER_MS = 1500


class TalkativeCaller:
    """Says something every six seconds, and never hangs up."""

    def __init__(self, number: int) -> None:
        self.complaints: list[str] = []
        self.is_done = False
        self._words = noise(random.Random(f"caller {number}"), WORDS_MS)
        self._shift_ms = number * EVERY_MS // CALLS

    def next_frame(self, ear: Ear) -> Act:
        into_ms = round(ear.at_ms + self._shift_ms) % EVERY_MS
        return Act(self._words[into_ms * 8 :][:160]) if into_ms < WORDS_MS else SILENT


class PaidWorld(World):
    """A call whose bills are added up with those of others."""

    def __init__(self, number: int, money: Money) -> None:
        rng = random.Random(f"answers {number}")
        answers = [Answer(say=(Speech(text=f"answer {n}", audio=noise(rng, ANSWER_MS)),)) for n in range(60)]
        price = read_prices().list.model(PLAN.model)
        script = Script(answers=tuple(answers), answers_go_on=True)
        super().__init__(script, TalkativeCaller(number), number, plan=replace(PLAN, price=price))
        self._money = money

    def journal(self, fact: Fact) -> None:
        super().journal(fact)
        self._money.now = self.now
        self._money.meter(fact)

    def end_for_spend(self) -> None:
        self.later(0, lambda: self.streams[-1].tell(SpendRanOver()))


class Money:
    """The spending of one process, and the meter that its calls feed.

    Args:
        cap_microdollars: that of an hour, for all processes.
        others: the other processes; each hears what is spent here `HEARD_AFTER_S` later.
    """

    def __init__(self, cap_microdollars: int, others: Sequence[Money] = ()) -> None:
        self.now = 0.0
        self.others, self.told = others, deque[tuple[float, int]]()
        self.worlds: list[PaidWorld] = []
        self.spending = Spending(per_hour_max_microdollars=cap_microdollars)
        desk = SimpleNamespace(
            now=lambda: self.now,
            wall_now=lambda: self.now,
            spending=self.spending,
            state=SimpleNamespace(note_spend=self._tell_others),
            live_calls=self,
        )
        self.desk = cast("Desk", desk)
        self.meter = SpendMeter(self.desk)

    def _tell_others(self, at: float, microdollars: int) -> None:
        for other in self.others:
            if other is not self:
                other.told.append((at + HEARD_AFTER_S, microdollars))

    def hear(self, now: float) -> None:
        """What others have spent, as far as it is known here by now."""
        while self.told and self.told[0][0] <= now:
            self.now = max(self.now, self.told[0][0])
            _, microdollars = self.told.popleft()
            money_was_spent(self.desk, microdollars, age_s=HEARD_AFTER_S)

    def __len__(self) -> int:
        return len(self.worlds)

    def end_for_spend(self) -> None:
        for world in self.worlds:
            world.end_for_spend()

    def play(self, limit_s: float) -> None:
        self.worlds = [PaidWorld(number, self) for number in range(CALLS)]
        for world in self.worlds:
            world.begin()
        until = self.worlds[0].now + limit_s
        while (first := min(self.worlds, key=PaidWorld.next_at)).next_at() < until:
            first.go_on(first.next_at())


def test_what_many_talkative_calls_cost_is_bounded() -> None:
    """At 120 % of the cap all are told to end. Each then costs the response that it makes, and a goodbye.

    Twelve calls at a cap of 30 cents: 36 cents, and those two of each. Nobody hangs up by themselves: without
    an end they would cost that much again every half minute, for an hour.
    """
    money = Money(CAP)
    money.play(90)
    ends_at = CAP * ENDS_CALLS_AT_PERCENT // 100
    facts = [fact for world in money.worlds for _, fact in world.facts]
    bills = [fact.cost_microdollars for fact in facts if isinstance(fact, Billed)]
    spent = money.spending.hour_microdollars(money.now)
    assert ends_at <= sum(bills) == spent <= ends_at + CALLS * 2 * max(bills)
    for world in money.worlds:
        assert world.ended.reason is EndReason.LIMIT_SPEND_TOTAL
        assert world.next_at() == math.inf, "something of a call goes on"
    # Whoever speaks into the agent's goodbye hears it from Twilio.
    assert {world.outcome for world in money.worlds} == {Continuation.HANG_UP, Continuation.SAY_GOODBYE}


@pytest.mark.heavy
def test_a_cap_holds_over_several_processes() -> None:
    """Twelve calls on three machines: beyond the 120 % comes what is spent until all of them know.

    A call has a response every six seconds, so that is one more of each at the most.
    """
    processes: list[Money] = []
    processes += [Money(CAP, processes) for _ in range(3)]
    worlds = {number: PaidWorld(number, processes[number % 3]) for number in range(CALLS)}
    for number, world in worlds.items():
        processes[number % 3].worlds.append(world)
        world.begin()
    until = worlds[0].now + 90
    while (first := min(worlds.values(), key=PaidWorld.next_at)).next_at() < until:
        for money in processes:
            money.hear(first.next_at())
        first.go_on(first.next_at())
    facts = [fact for world in worlds.values() for _, fact in world.facts]
    bills = [fact.cost_microdollars for fact in facts if isinstance(fact, Billed)]
    ends_at = CAP * ENDS_CALLS_AT_PERCENT // 100
    assert ends_at <= sum(bills) <= ends_at + CALLS * 3 * max(bills)
    for world in worlds.values():
        assert world.ended.reason is EndReason.LIMIT_SPEND_TOTAL
