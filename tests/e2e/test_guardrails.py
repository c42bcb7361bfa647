"""Guardrails over real sockets: how much the caller hears of a sentence that nobody wanted said.

The ear is the simulated phone's, and not our ledger. What the model remembers is what was heard.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.guardrails.in_call import TRIPS_MAX
from callbridge.call.facts import EndReason, GuardrailTripped, Interrupted
from callbridge.simulators.phone import CallerScript, Network, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import FinishedCall, stack
from e2e.test_barge_in_truth import assert_is_remembered_as_heard, cut_errors_ms, p
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.phone import Step
    from machine import Machine

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("nothing_left", "without_debugging")]

FINE = ["We", "have", "been", "here", "for", "years"]
FORBIDDEN = [
    "and",
    "you",
    "should",
    "buy",
    "shares",
    "of",
    "Acme",
    "now",
    "before",
    "they",
    "double",
    "again",
]
"""The guardrail knows it by its seventh word. Spoken it takes four seconds."""
SORRY = "Let us talk about bread."
WORD_MS = 333

PACES = (1.5, 3.0, 6.0)
"""How much faster than it is spoken an answer is made."""
CALLS = 8
DELAY_MS = 60
"""Each way, between the phone and the service."""
LOOK_S = 0.3
"""What a small text model takes to judge."""
ERROR_MS_P95 = 40
HEARD_MS_P95 = 2000
"""At a model that makes its answer half again as fast as it is spoken; most are faster."""
ATTEMPTS = 3
LATE_MS_MAX = 10


@dataclass(frozen=True)
class Bad:
    """An answer that is to be stopped."""

    fine: int
    """Words before the forbidden sentence."""
    pace: float
    """How much faster it is made than spoken."""

    def answer(self, rng: random.Random) -> Answer:
        """As the model says it."""
        said = [*FINE[: self.fine], *FORBIDDEN]
        return Answer(
            say=(Speech(text=" ".join(said), audio=noise(rng, WORD_MS * len(said))),), pace=self.pace
        )


def guarded(look_s: float) -> Agent:
    """An agent whose guardrail takes so long."""
    agent = Agent(greeting_interruptible=True)
    if not look_s:

        @agent.guardrail(say=SORRY)
        def no_shares(text: str) -> bool:
            return "Acme" in text

        return agent

    @agent.guardrail(say=SORRY)
    async def no_shares_slowly(text: str) -> bool:
        await asyncio.sleep(look_s)
        return "Acme" in text

    return agent


@dataclass
class Stopped:
    """A call in which the agent was stopped, and in what."""

    call: FinishedCall
    bad: list[Bad]

    @property
    def is_in_step(self) -> bool:
        """Whether each forbidden sentence was said and stopped: its trip is known by its place."""
        return len(self.call.of(GuardrailTripped)) == len(self.bad)

    @property
    def heard_ms(self) -> list[float]:
        """How much the caller heard of each forbidden sentence."""
        heard = {item.item_id: item.heard_ms for item in self.call.heard()}
        trips = self.call.of(GuardrailTripped)
        return [
            max(0.0, heard[trip.item_id] - WORD_MS * bad.fine)
            for trip, bad in zip(trips, self.bad, strict=True)
        ]

    def assert_all_was_well(self, within_ms: float) -> None:
        """Each was stopped and put right, nobody has interrupted, and the call ended as it should."""
        call = self.call
        assert call.report.is_clean, call.report
        # The server may be done at the moment in which the response is cancelled.
        assert {refusal.code for refusal in call.journal.refusals} <= {"response_cancel_not_active"}
        assert call.ended.reason is EndReason.AGENT_HANGUP
        assert not call.of(Interrupted)
        trips = call.of(GuardrailTripped)
        assert [trip.was_cut for trip in trips] == [True] * TRIPS_MAX
        items = {item.item_id: item for item in call.heard()}
        for item in items.values():
            assert_is_remembered_as_heard(item, within_ms)
        for trip in trips:
            assert trip.heard_ms == (items[trip.item_id].truncated_at_ms or 0), trip
        told = "\n".join(response.instructions for response in call.journal.responses)
        assert told.count(SORRY) == TRIPS_MAX
        words = [call.journal.items[one].transcript for one in items if items[one].was_heard_to_its_end]
        assert words.count(SORRY) == TRIPS_MAX


async def place(seed: int, look_s: float) -> Stopped:
    rng = random.Random(seed)
    bad = [Bad(rng.randint(0, len(FINE)), rng.choice(PACES)) for _ in range(TRIPS_MAX)]
    sorry, goodbye = Speech(text=SORRY, audio=noise(rng, 400)), Speech(text="Bye.", audio=noise(rng, 200))
    answers = [Answer(say=(Speech(text="Hello.", audio=noise(rng, 200)),))]
    for one in bad:
        answers += [one.answer(rng), Answer(say=(sorry,))]
    script = Script(answers=tuple(answers), default=Answer(say=(goodbye,)), after_ms=20)
    steps: list[Step] = [WaitForAgent(quiet_ms=400)]
    for _ in bad:
        steps += [Say(noise(rng, 200)), WaitForAgent(quiet_ms=400)]
    async with stack(script, agent=guarded(look_s)) as running:
        caller = CallerScript([*steps, WaitForEnd()])
        return Stopped(await running.call(caller, network=Network(delay_ms=DELAY_MS)), bad)


async def test_little_is_heard_of_a_sentence_that_is_stopped(
    figures: Callable[[str], None], machine: Machine
) -> None:
    for _ in range(ATTEMPTS):
        async with asyncio.TaskGroup() as calls:
            running = [
                calls.create_task(place(seed, look_s)) for look_s in (0.0, LOOK_S) for seed in range(CALLS)
            ]
        placed = [one.result() for one in running]
        faults = [
            *judged("at once", placed[:CALLS], HEARD_MS_P95, figures),
            *judged("after 300 ms", placed[CALLS:], HEARD_MS_P95 + 1000 * LOOK_S, figures),
        ]
        if not faults:
            break
    machine.judge(faults, LATE_MS_MAX)
    for one in placed:
        one.assert_all_was_well(ERROR_MS_P95 + machine.loop_late_ms)


def judged(
    when: str, stopped: list[Stopped], heard_ms_p95: float, figures: Callable[[str], None]
) -> list[str]:
    """What is wrong with these calls, in words."""
    # A machine that stops for a moment puts a caller out of step with the script: no measure of ours.
    if derailed := sum(not one.is_in_step for one in stopped):
        return [f"{derailed} calls did not come to their {TRIPS_MAX} trips, {when}"]
    heard = [ms for one in stopped for ms in one.heard_ms]
    errors = [error for one in stopped for error in cut_errors_ms(one.call)]
    figures(
        f"a guardrail that judges {when}, {len(heard)} trips: of a sentence of {WORD_MS * len(FORBIDDEN)} ms "
        f"the caller heard p50 {p(50, heard):.0f}, p95 {p(95, heard):.0f}, max {max(heard):.0f} ms; nothing "
        f"in {heard.count(0.0)}; memory error p95 {p(95, errors):.1f} ms"
    )
    for pace in PACES:
        of_pace = [
            ms for one in stopped for ms, bad in zip(one.heard_ms, one.bad, strict=True) if bad.pace == pace
        ]
        figures(
            f"  made {pace:g} times as fast as spoken: p50 {p(50, of_pace):.0f}, p95 {p(95, of_pace):.0f} ms"
        )
    bounds = {"heard": (p(95, heard), heard_ms_p95), "memory error": (p(95, errors), ERROR_MS_P95)}
    return [f"{what}: {ms:.0f} ms, {when}" for what, (ms, ms_max) in bounds.items() if ms > ms_max]
