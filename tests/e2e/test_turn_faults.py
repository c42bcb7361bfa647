"""Every fault of a turn at every moment of a call, with the caller's ear as the witness.

The table stands in `turn_faults`. Nobody is left in silence for longer than 4 s, unless it is their turn;
every call ends with the agent or with the fallback; and every caller was greeted.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import EndReason
from callbridge.simulators.phone import (
    CallerScript,
    Interrupt,
    InterruptAt,
    Pause,
    Say,
    Surrounded,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.sounds import at_level
from callbridge.simulators.voice_model import Answer, Call, Script
from e2e import turn_faults as faults
from e2e.crowd import Crowd
from e2e.faults import Outcome
from e2e.stack import CALL_TIMEOUT_S, FinishedCall, Log, stack
from e2e.test_fault_matrix import LIMITS, PLANS, QUESTION, Plan, Played, spoken
from e2e.turn_faults import Moment, Row
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.simulators.phone import Step
    from callbridge.simulators.phone.caller import Caller

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

# --- The conversation --------------------------------------------------------------------------------

GREETING = Answer(say=(spoken("g", 1200),), pace=1.5)
ANSWER = Answer(say=(spoken("a", 1200),), pace=1.5, caller=QUESTION)
LONG_ANSWER = Answer(say=(spoken("l", 2400),), pace=1.5, caller=QUESTION)
CALLING = Answer(
    say=(spoken("t", 400),), calls=(Call(name="look_up", arguments={"what": "hours"}),), caller=QUESTION
)
RESULT = Answer(say=(spoken("r", 700),), pace=1.5)
GOODBYE = Answer(say=(spoken("z", 500),), pace=3.0, calls=(Call(name="end_call"),), caller="Thank you.")

ASKS_AT_S = 2.4
"""By the clock of the stream; the greeting was heard by then."""

FAULT_FRAME = {Moment.CALLER: 150, Moment.IDLE: 150}
"""The frame of the caller at which the model goes wrong, where nobody of the agent's speaks."""

WORDS_OF = {
    Moment.GREETING: (GREETING, ANSWER),
    Moment.CALLER: (GREETING, ANSWER),
    Moment.AGENT: (GREETING, LONG_ANSWER, ANSWER),
    Moment.TOOL: (GREETING, CALLING, RESULT),
    Moment.IDLE: (GREETING, ANSWER),
}
"""What the agent says when nothing goes wrong."""

SPOILT = {Moment.GREETING: 0, Moment.CALLER: 1, Moment.AGENT: 2, Moment.TOOL: 2, Moment.IDLE: 1}
"""Which of these is the answer of the moment."""

SILENCE_MS_MAX = 4000

PATIENCE_MS = 6000
"""Whoever was not answered says something again."""


@dataclass
class Cell:
    """One fault at one moment."""

    row: Row
    moment: Moment
    outcome: Outcome
    plan: Plan = PLANS[0]
    tool_runs: int = 0

    def __str__(self) -> str:
        return f"{self.row.name} / {self.moment}"

    @property
    def script(self) -> Script:
        """What the model does."""
        answers = list(WORDS_OF[self.moment])
        on_append: list[Any] = []
        if frame := FAULT_FRAME.get(self.moment):
            place: dict[str, Any] = {"on": "input_audio_buffer.append", "nth": frame}
            on_append = [_placed(fault, **place) for fault in self.row.faults]
        elif self.row.faults:
            number = 0 if self.moment is Moment.GREETING else 1
            at = "end" if self.moment is Moment.TOOL else 300
            whole = answers[number]
            found = tuple(_placed(fault, at=at) for fault in self.row.faults)
            answers[number] = msgspec.structs.replace(whole, faults=found)
            if self.row.cuts and self.moment is not Moment.TOOL:
                answers.insert(number + 1, whole)
        if self.row.bends:
            answers = [msgspec.structs.replace(answer, **self.row.bends) for answer in answers]
        if self.row.answer is not None:
            # What the noise in the greeting is answered with comes after it.
            spoilt = max(SPOILT[self.moment], len(self.row.faults))
            answers.insert(spoilt, self.row.answer)
            if self.row.answer.times == "for_ever":
                del answers[spoilt + 1 :]
        return Script(
            answers=tuple(answers),
            faults=tuple(on_append),
            oddities=self.row.oddities,
            default=GOODBYE,
            after_ms=20,
            answers_go_on=True,
        )

    @property
    def agent(self) -> Agent:
        """Who answers, with a tool that takes its time."""

        async def look_up(what: str) -> str:
            """Looks something up."""
            self.tool_runs += 1
            await asyncio.sleep(self.row.tool_s)
            return "nine to five"

        return Agent(tools=[look_up], instructions="You answer the phone.", greeting="Hello.")

    @property
    def caller(self) -> Caller:
        """Who calls."""
        script = CallerScript(self._steps())
        return script if self.row.around is None else Surrounded(script, self.row.around)

    def _steps(self) -> list[Step]:
        """Asks once, and then says a word each time that the agent has finished, until it hangs up."""
        rng, says = random.Random(7), self.row.says

        def voice(duration_ms: int) -> bytes:
            audio = noise(rng, duration_ms)
            return audio if self.row.voice_dbfs is None else at_level(audio, self.row.voice_dbfs)

        answered = WaitForAgent(600, PATIENCE_MS)
        match self.moment:
            case Moment.GREETING:
                first: list[Step] = [Interrupt(300, says)] if says else []
                first += [answered, Say(voice(1000))]
            case Moment.CALLER:
                # In two breaths: between them the model believes that it is to answer.
                first = [InterruptAt(ASKS_AT_S, voice(1000)), Pause(450), Say(says or voice(900))]
            case Moment.AGENT:
                first = [InterruptAt(ASKS_AT_S, voice(1000)), Interrupt(500, says or voice(1000))]
            case Moment.TOOL:
                first = [InterruptAt(ASKS_AT_S, voice(1000))]
                # Who says nothing then waits for the result.
                waiting = WaitForAgent(300 if says else 1900, PATIENCE_MS)
                first += [waiting, Say(says)] if says else [waiting]
            case Moment.IDLE:
                first = [WaitForAgent(2500, PATIENCE_MS), Say(says or voice(1000))]
        over: list[Step] = [Interrupt(250, voice(500))] * self.row.talks_over
        more: list[Step] = [step for _ in range(8) for step in (answered, Say(voice(600)))]
        return [*first, *over, *more, WaitForEnd()]

    async def play(self, max_call_s: float) -> FinishedCall:
        """The call, with a service and a model of its own."""
        limits = replace(LIMITS, **self.row.limits)
        async with stack(
            self.script, agent=self.agent, limits=limits, environment=self.plan.environment
        ) as running:
            return await running.finish(running.phone(self.caller, max_call_s=max_call_s))


def _placed(fault: Any, **place: Any) -> Any:
    return msgspec.structs.replace(fault, connection=1, **place)


# --- What is asked of every cell ---------------------------------------------------------------------


class Overheard(Played):
    """A cell, and its call, as the caller heard it."""

    cell: Any

    def complaints(self) -> Iterator[str]:
        """Whatever is not as promised."""
        yield from self._of_an_end() if self.cell.outcome is Outcome.ENDS else self._of_the_end()
        yield from self._of_the_ear()
        yield from self._of_the_tools()
        # Unless the call was over before there could be a whole greeting.
        must_greet = self.cell.outcome is Outcome.GOES_ON or self.cell.moment is not Moment.GREETING
        if must_greet and not self._was_greeted:
            yield f"the greeting was not heard: {self.call.report.greeting}"

    def _of_an_end(self) -> Iterator[str]:
        verbs, reasons = self.call.verbs, [end.reason for end in self._ends]
        if verbs[-1:] != ["Hangup"] or reasons != [EndReason.AGENT_HANGUP]:
            yield f"verbs {verbs}, ended as {reasons}"
        last = self.call.report.heard[-1].what
        if last not in {"agent", "<Say>"}:
            yield f"the last thing heard was {last}"

    def _of_the_ear(self) -> Iterator[str]:
        report, placed_at = self.call.report, self.call.phone.placed_at
        for silence in report.dead_air(SILENCE_MS_MAX):
            since, until = (placed_at + ms / 1000 for ms in (silence.from_ms, silence.to_ms))
            late_ms = self.lateness.between(since, until) * 1000
            if silence.to_ms - silence.from_ms - late_ms > SILENCE_MS_MAX:
                yield f"silent: {silence}, of which this machine was late for {late_ms:.0f} ms"
        if report.warnings and self.cell.outcome is Outcome.GOES_ON:
            yield f"Twilio warns {report.warnings}"

    @property
    def _was_greeted(self) -> bool:
        (words,) = GREETING.speeches
        by_id = {item.id: item for journal in self.journals for item in journal.items.values()}
        heard_ms = [
            item.heard_ms for item in self._heard.items if by_id[item.item_id].audio[:80] == words.audio[:80]
        ]
        return bool(heard_ms) and max(heard_ms) >= 0.8 * 1200


def cells(rows: Sequence[Row]) -> list[Cell]:
    """The cells that are played."""
    return [
        Cell(row, moment, outcome)
        for row in rows
        for moment, outcome in row.cells.items()
        if isinstance(outcome, Outcome)
    ]


async def play(found: Sequence[Cell], log: Log) -> None:
    """Plays all cells, and asks of each what is promised to all."""
    crowd = Crowd(Overheard.complaints)

    async def one(cell: Cell) -> Overheard:
        cell.tool_runs = 0
        return Overheard(cell, await cell.play(CALL_TIMEOUT_S - 5), crowd.lateness)  # type: ignore[arg-type]

    await crowd.play({str(cell): partial(one, cell) for cell in found})
    assert log.events("call_broken") == []


USUAL = {
    "hello, and an empty reply": Moment.GREETING,
    "completed without anything": Moment.TOOL,
    "completed with a transcript and no audio": Moment.AGENT,
    "never done": Moment.AGENT,
    "hears nothing any more": Moment.IDLE,
    "hears no end": Moment.CALLER,
    "half open": Moment.IDLE,
    "nulls": Moment.GREETING,
    "soft speech": Moment.IDLE,
}
"""One cell of each kind, for every run."""


@pytest.mark.heavy
async def test_one_of_each_kind(log: Log) -> None:
    """A few calls at once."""
    found = [cell for cell in cells(faults.TABLE) if USUAL.get(cell.row.name) is cell.moment]
    assert len(found) == len(USUAL)
    await play(found, log)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "rows",
    [faults.SAID + faults.ANSWERED, faults.HEARD, faults.WRITTEN + faults.ODD, faults.LINES],
    ids=["answers", "ears", "words", "lines"],
)
async def test_turns(rows: list[Row], log: Log) -> None:
    """Answers without a sound, ears that are deaf, words that are late, lines that are noisy."""
    await play(cells(rows), log)


def test_the_table_is_whole() -> None:
    for row in faults.TABLE:
        assert set(row.cells) == set(Moment), row
        for moment, cell in row.cells.items():
            assert isinstance(cell, Outcome) or len(cell) > 10, (row, moment)
