"""An agent that is a state machine, over real sockets: a clinic that finds out, books and says goodbye."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from callbridge import Agent, Flow, Step, asked, captured, confidence, failed
from callbridge.call.agent_facts import Captured, StepEntered
from callbridge.call.facts import EndReason, SessionAmended, ToolUsed, TurnEnded
from callbridge.call.rating import CallerWordsRated
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, FinishedCall, stack
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import Journal

pytestmark = pytest.mark.usefixtures("nothing_left")


class Booking(BaseModel):
    """An appointment."""

    name: str
    day: str


def find_slot(day: str) -> dict[str, list[str]]:
    """Looks for free slots."""
    return {day: ["10:00"]}


def clinic() -> Agent:
    return Agent(
        instructions="You answer for Harbour Clinic.",
        greeting="Harbour Clinic.",
        can_hang_up=False,
        flow=Flow(
            Step(
                "welcome",
                "Find out what they want.",
                go=[
                    asked("book", "the caller wants an appointment"),
                    confidence("words", below=0.2, source="transcript", to="done"),
                ],
            ),
            Step(
                "book",
                "Find a day.",
                tools=[find_slot],
                captures=Booking,
                go=[captured(to="done"), failed(3, to="done")],
            ),
            Step("done", "Repeat the day, and say goodbye.", ends=True),
        ),
    )


def conversation(rng: random.Random) -> Script:
    """The model asks for its steps; once for one to which no way leads from there."""

    def say(duration_ms: int, text: str) -> Speech:
        return Speech(text=text, audio=noise(rng, duration_ms))

    def called(name: str, /, **arguments: str) -> Call:
        return Call(name=name, arguments=arguments)

    return Script(
        answers=(
            Answer(say=(say(300, "Harbour Clinic."),)),
            Answer(calls=(called("go_to_book"),), caller="I need an appointment.", confidence=0.755),
            Answer(say=(say(250, "Who are you, and when?"),), after_call=True),
            Answer(
                calls=(called("find_slot", day="Monday"), Call(name="go_to_book", even_if_not_offered=True)),
                caller="Samantha, on Monday.",
                confidence=0.755,
            ),
            Answer(calls=(called("note_booking", name="Samantha", day="Monday"),), after_call=True),
            Answer(say=(say(350, "Monday at ten. Goodbye."),), after_call=True),
        ),
        default=Answer(say=(say(200, "Goodbye."),)),
        after_ms=50,
        delta_bytes=(80, 400),
    )


def visitor(rng: random.Random) -> CallerScript:
    said = Say(noise(rng, 200))
    return CallerScript([WaitForAgent(100), said, WaitForAgent(100), said, WaitForEnd()])


async def test_a_call_goes_through_its_steps() -> None:
    rng = random.Random(5)
    hasty = {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "200"}
    async with stack(conversation(rng), agent=clinic(), environment=hasty) as running:
        call = await running.call(visitor(rng))
    assert call.report.is_clean, call.report
    assert call.journal.refusals == []
    assert call.verbs == CONNECTED_AND_ENDED
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert_facts_tell_the_steps(call)
    assert_session_is_amended_between_turns(call.journal)
    for item in call.heard():
        assert item.received_ms == item.heard_ms == item.sent_ms, item


def assert_facts_tell_the_steps(call: FinishedCall) -> None:
    steps = [(fact.step, fact.because) for fact in call.of(StepEntered)]
    assert steps == [
        ("welcome", ""),
        ("book", "asked: the caller wants an appointment"),
        ("done", "captured"),
    ]
    (form,) = call.of(Captured)
    assert (form.form, form.data) == ("booking", '{"name":"Samantha","day":"Monday"}')
    assert all(fact.is_confirmed for fact in call.of(SessionAmended))
    assert len(call.of(SessionAmended)) == 2
    assert [(tool.name, tool.outcome.is_answer) for tool in call.of(ToolUsed)] == [
        ("go_to_book", True),
        ("find_slot", True),
        ("go_to_book", False),
        ("note_booking", True),
    ]
    assert {rated.confidence_percent for rated in call.of(CallerWordsRated)} == {75}
    assert call.of(TurnEnded)[-1].agent == "Monday at ten. Goodbye."


def assert_session_is_amended_between_turns(journal: Journal) -> None:
    """While nobody speaks and no answer is made, and always with µ-law in both directions."""
    updates = [event.at for event in journal.received if event.type == "session.update"]
    assert len(updates) >= 3
    speech = [
        (begun.at, over.at)
        for begun, over in zip(journal.speech_started, journal.speech_stopped, strict=True)
    ]
    answers = [(one.created_at, one.done_at or float("inf")) for one in journal.responses]
    for at in updates[1:]:
        assert not [span for span in (*speech, *answers) if span[0] < at < span[1]]
    formats = {note.text[:31] for note in journal.notes if note.kind == "configured"}
    assert formats == {"audio/pcmu in, audio/pcmu out, "}
