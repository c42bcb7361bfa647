"""Callers on hold in whole calls: nothing of theirs is heard meanwhile, and they hear no silence."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
from msgspec import structs

from callbridge.bridge.own_sounds import audio_of
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.actions import OwnSound
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.telephone_facts import TransferAsked, TransferEnded
from callbridge.call.wishes import Transfer
from callbridge.simulators.voice_model import Call
from callbridge.switchboard.continuation import Continuation
from random_calls import NETWORKS, random_caller, random_script
from simulation.promises import PROMISES, caller_is_heard
from worlds import PLAN, Conditions, World

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from streams import Stream

WARM: Final = Transfer("sales", "+15550100042", is_asked=True, is_warm=True)
OUTCOMES: Final = (
    *(TransferOutcome.CONNECTED, TransferOutcome.BUSY, TransferOutcome.NO_ANSWER, TransferOutcome.DECLINED),
    *(TransferOutcome.VOICEMAIL, TransferOutcome.CARRIER_FAULT),
)
SEEDS: Final = range(12)


class Exchange(World):
    """A call whose agent has people behind it: each of its tools puts the caller through."""

    def __init__(self, seed: int) -> None:
        rng = self.people = random.Random(f"transfers {seed}")
        script = random_script(rng)
        greeting, *answers = script.answers
        wants = (Call(name="look_up"),)
        answers = [structs.replace(one, calls=wants) if one.status == "completed" else one for one in answers]
        delay_ms, jitter_ms = rng.choice(NETWORKS)
        conditions = Conditions(phone_delay_ms=delay_ms, phone_jitter_ms=jitter_ms, model_delay_ms=20)
        super().__init__(
            structs.replace(script, answers=(greeting, *answers)),
            random_caller(rng, keys=rng.random() < 0.3),
            seed,
            conditions,
            plan=replace(PLAN, rings_apart=True),
        )

    @property
    def clips(self) -> tuple[bytes, ...]:
        return (*super().clips, audio_of(OwnSound.ON_HOLD))

    def run_tool(self, stream: Stream, tool: a.RunTool) -> None:
        if tool.name != "look_up":
            super().run_tool(stream, tool)
            return
        self.tools_run.append((tool.name, tool.call_id))
        done = e.ToolFinished(tool.call_id, tool.name, '{"ok":true}', 10, WARM)
        self.later(0.01, lambda: stream.tell(done))

    def journal(self, fact: Fact) -> None:
        """Somebody is rung as soon as it is written down."""
        super().journal(fact)
        if isinstance(fact, TransferAsked) and fact.is_held:
            stream, outcome = self.streams[-1], self.people.choice(OUTCOMES)
            told = e.TransferTold(fact.transfer_id, outcome)
            self.later(self.people.uniform(0.5, 30), lambda: stream.tell(told))


@cache
def played(seed: int) -> World:
    """The call of a seed."""
    return Exchange(seed).run()


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_put_on_hold_is_told_what_came_of_it_or_talks(seed: int) -> None:
    """And whatever else a call promises holds, but that the caller is heard: who is on hold is not."""
    world = played(seed)
    kept = [promise for promise in PROMISES if promise is not caller_is_heard]
    assert [complaint for promise in kept for complaint in promise(world)] == []
    asked = [(at, fact) for at, fact in world.facts if isinstance(fact, TransferAsked)]
    ended = [(at, fact) for at, fact in world.facts if isinstance(fact, TransferEnded)]
    is_through = world.outcome is Continuation.PUT_THROUGH
    assert [fact.transfer_id for _, fact in ended] == [
        fact.transfer_id for _, fact in (asked[:-1] if is_through else asked)
    ]
    ends = [at for at, _ in (*ended, *world.streams[-1].ended)]
    held_s = sum(end - begin for (begin, _), end in zip(asked, ends, strict=False))
    assert world.ended.frames_dropped * 0.02 == pytest.approx(held_s, abs=0.1 + 0.05 * len(asked))


def test_all_that_can_come_of_it_comes() -> None:
    """Otherwise the test above would prove little."""
    worlds = [played(seed) for seed in SEEDS]
    ended = [fact for world in worlds for _, fact in world.facts if isinstance(fact, TransferEnded)]
    assert {fact.outcome for fact in ended} >= set(OUTCOMES) - {TransferOutcome.CONNECTED}
    assert any(world.outcome is Continuation.PUT_THROUGH for world in worlds)
