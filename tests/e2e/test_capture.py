"""A form over real sockets: misheard, read back, corrected, confirmed, delivered. The caller hears it."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import BaseModel

from callbridge import Agent, Call
from callbridge.call.agent_facts import Captured, CaptureDelivered, FieldKept
from callbridge.call.facts import EndReason, ItemHeard, SessionAmended
from callbridge.fields import EmailAddress, PersonName
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Fault, Script, serve_model, session_reports
from callbridge.simulators.voice_model import Call as Calls
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import Front, Talker, services
from e2e.stack import CONNECTED_AND_ENDED, FinishedCall, Stack, stack, variables
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall

pytestmark = pytest.mark.usefixtures("nothing_left")


class Booking(BaseModel):
    """An appointment at the clinic."""

    intent: Literal["schedule_appointment", "cancel_appointment"]
    name: PersonName
    email: EmailAddress


def note(**said: str) -> tuple[Calls, ...]:
    return (Calls(name="note_booking", arguments=said),)


def conversation(rng: random.Random) -> Script:
    """Name and address are misunderstood at first. The model tries to confirm what it says in one breath."""

    def speech(text: str) -> tuple[Speech]:
        return (Speech(text=text, audio=noise(rng, 160)),)

    misheard = note(intent="schedule_appointment", name="Samanta", email="sam at exemple dot com")
    corrected = note(name="Samantha", email="sam@example.com")
    confirmed = (Calls(name="confirm_booking", arguments={"fields": ["name", "email"]}),)
    return Script(
        answers=(
            Answer(say=speech("Welcome.")),
            Answer(calls=misheard, caller="An appointment. I am Samantha, sam at example dot com."),
            Answer(say=speech("So Samanta, and exemple?"), after_call=True),
            Answer(calls=corrected, caller="No: Samantha with an h, and example with an a."),
            Answer(say=speech("Then Samantha, and example."), calls=confirmed, after_call=True),
            Answer(say=speech("Is that right?"), after_call=True),
            Answer(calls=confirmed, caller="Yes."),
            Answer(say=speech("I pass it on."), after_call=True),
            Answer(say=speech("Booked as 4711."), calls=(Calls(name="end_call"),)),
        ),
        after_ms=20,
    )


async def test_what_was_misheard_is_corrected_and_delivered() -> None:
    rng, delivered = random.Random(7), []
    agent = Agent(greeting="Welcome.")

    async def booked(call: Call, booking: Booking) -> str:
        delivered.append((call.sid, booking))
        return "the number is 4711"

    agent.capture(Booking, then=booked)
    steps = [step for quiet_ms in (200, 200, 500) for step in (WaitForAgent(quiet_ms), Say(noise(rng, 160)))]
    hasty = {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "200"}
    async with stack(conversation(rng), agent=agent, environment=hasty) as running:
        call = await running.call(CallerScript([*steps, WaitForEnd()]))
    whole = {"intent": "schedule_appointment", "name": "Samantha", "email": "sam@example.com"}
    assert delivered == [(call.sid, Booking.model_validate(whole))]
    assert call.report.is_clean, call.report
    assert (call.verbs, call.ended.reason) == (CONNECTED_AND_ENDED, EndReason.AGENT_HANGUP)
    assert call.journal.refusals == []
    assert [(fact.form, json.loads(fact.data)) for fact in call.of(Captured)] == [("booking", whole)]
    assert [fact.outcome for fact in call.of(CaptureDelivered)] == ["answered"]
    assert_the_model_was_told(call)
    assert_the_caller_had_heard_what_was_confirmed(call)


def assert_the_model_was_told(call: FinishedCall) -> None:
    """What to read back and how, that nobody had answered yet, and what came of it."""
    (report,) = session_reports([call.journal])
    wrong, right, too_early, confirmed = (json.loads(tool.output or "") for tool in report.tools[:4])
    assert set(wrong["read_back"]) == set(right["read_back"]) == {"name", "email"}
    assert "S as in" in right["read_back"]["name"]
    assert right["read_back"]["name"] in too_early["error"]
    assert "complete" in confirmed
    assert any("4711" in said.text for said in report.words if said.role == "system")
    assert [fact.is_confirmed for fact in call.of(SessionAmended)] == [True], "once: when it was complete"


def assert_the_caller_had_heard_what_was_confirmed(call: FinishedCall) -> None:
    """All that was read back was heard to its end before a value counts as confirmed."""
    items = call.heard()
    assert [item.heard_ms for item in items] == [item.sent_ms for item in items] == [160] * len(items)
    assert len(items) == 6
    kinds = [type(fact) for fact in call.facts]
    confirmed = [
        number
        for number, fact in enumerate(call.facts)
        if isinstance(fact, FieldKept) and fact.is_confirmed and fact.field != "intent"
    ]
    assert len(confirmed) == 2
    assert kinds[: confirmed[0]].count(ItemHeard) == 4, "up to: is that right?"


# --- A session is lost, a process leaves ------------------------------------------------------------------


class Visit(BaseModel):
    """A visit to the clinic."""

    reason: Literal["check_up", "vaccination"]
    name: PersonName


class Desk:
    """An agent that takes visits, and what was delivered to it."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, Visit]] = []
        self.agent = Agent(greeting="Hello.")

        async def noted(call: Call, visit: Visit) -> str:
            self.delivered.append((call.sid, visit))
            return "the number is 4711"

        self.agent.capture(Visit, then=noted)


def visiting(seed: str, *faults: Fault, notes: dict[str, str]) -> Script:
    """Notes before its first words, confirms the name behind the caller's, and confirms it twice more."""
    rng = random.Random(seed)

    def speech(text: str) -> tuple[Speech]:
        return (Speech(text=text, audio=noise(rng, 160)),)

    confirm = (Calls(name="confirm_visit", arguments={"fields": ["name"]}, even_if_not_offered=True),)
    return Script(
        answers=(
            Answer(calls=(Calls(name="note_visit", arguments=notes),)),
            Answer(say=speech("Anna, is that right?"), after_call=True),
            Answer(calls=confirm, caller="Yes."),
            Answer(calls=confirm),
            Answer(calls=confirm),
            Answer(say=speech("Goodbye."), calls=(Calls(name="end_call"),)),
        ),
        faults=faults,
        answers_go_on=True,
        after_ms=20,
    )


HASTY = {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "200"}


@pytest.mark.heavy
async def test_a_lost_session_delivers_once() -> None:
    """It closes when it is told that all is confirmed, which is the third thing: the form was noted, and the
    model has confirmed at once and was refused.
    """
    desk = Desk()
    fault = Fault(kind="close", on="conversation.item.create", nth=3, connection=1)
    script = visiting("lost", fault, notes={"reason": "check_up", "name": "Anna"})
    yes = Say(noise(random.Random("yes"), 500))
    async with stack(script, agent=desk.agent, environment=HASTY) as running:
        call = await running.call(CallerScript([WaitForAgent(150), yes, WaitForEnd()]))
    assert desk.delivered == [(call.sid, Visit(reason="check_up", name="Anna"))]
    assert (call.verbs, call.ended.reason) == (CONNECTED_AND_ENDED, EndReason.AGENT_HANGUP)
    assert [fact.outcome for fact in call.of(CaptureDelivered)] == ["answered"]
    assert len(call.of(Captured)) == 1
    first, second = call.stack.model.sessions
    assert "has not answered yet" in str(first.items)
    assert "4711" in str(second.items), "whoever goes on knows what came of it"


# --- A process dies -------------------------------------------------------------------------------------

AGENT = """
import asyncio
from pathlib import Path
from pydantic import BaseModel
from callbridge import Agent, Call
from callbridge.fields import PersonName

class Visit(BaseModel):
    name: PersonName

agent = Agent(greeting="Hello.")

@agent.capture(Visit).captured
async def take(call: Call, visit: Visit) -> str:
    with Path("deliveries").open("a") as file:
        file.write(f"{call.sid} {visit.name}\\n")
    await asyncio.sleep(0.5)
    return "it is noted"
"""

CALLS = 6


def insisting(seed: str, default: Answer) -> Script:
    """Notes and confirms a name, whether or not there is still a form for it."""
    rng = random.Random(seed)

    def speech(text: str) -> tuple[Speech]:
        return (Speech(text=text, audio=noise(rng, 250)),)

    note = Calls(name="note_visit", arguments={"name": "Anna"}, even_if_not_offered=True)
    confirm = Calls(name="confirm_visit", arguments={"fields": ["name"]}, even_if_not_offered=True)
    return Script(
        answers=(
            Answer(say=speech("Hello.")),
            Answer(calls=(note,), caller="I am Anna."),
            Answer(say=speech("Anna, is that right?"), after_call=True),
            Answer(calls=(confirm,), caller="Yes."),
            Answer(say=speech("Good."), after_call=True),
            Answer(say=speech("Anything else?"), caller="I wait."),
        ),
        default=default,
        after_ms=20,
    )


@pytest.mark.heavy
@pytest.mark.usefixtures("without_debugging")
async def test_a_killed_process_delivers_once_or_never(tmp_path: Path) -> None:
    await survive_a_kill(tmp_path, seed=1)


@pytest.mark.long
@pytest.mark.usefixtures("without_debugging")
@pytest.mark.parametrize("seed", range(2, 10))
async def test_killed_processes_deliver_once_or_never(tmp_path: Path, seed: int) -> None:
    await survive_a_kill(tmp_path, seed=seed)


async def survive_a_kill(tmp_path: Path, *, seed: int) -> None:
    """Some calls are before their capture then, some behind it, some within the delivery."""
    rng = random.Random(seed)
    (tmp_path / "clinic.py").write_text(AGENT, encoding="utf-8")
    deliveries = tmp_path / "deliveries"
    going_on = Answer(say=(Speech(text="Yes?", audio=noise(rng, 300)),))
    leaving = Answer(say=(Speech(text="Bye.", audio=noise(rng, 300)),), calls=(Calls(name="end_call"),))
    more = {"CALLBRIDGE_AGENT": "clinic:agent", "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db")}
    async with (
        serve_model(insisting("first", going_on)) as first,
        serve_model(insisting("second", leaving)) as second,
        Front().open() as front,
        services(tmp_path, *(variables(front.url, model.url, **more) for model in (first, second))) as chain,
    ):
        front.send_to(chain[0])
        line = chain[0].line(first)
        async with asyncio.TaskGroup() as calling:
            phones = [line.phone(Talker(f"caller {seed} {number}", streams=3)) for number in range(CALLS)]
            tasks = [
                calling.create_task(placed(line, phone, number * 0.25)) for number, phone in enumerate(phones)
            ]
            assert await until(deliveries.exists, 20)
            # At any moment, but not when there is nothing left for the second one.
            await until(lambda: len(delivered_in(deliveries)) > CALLS - 2, rng.uniform(0, 1))
            front.send_to(chain[1])
            chain[0].signal(signal.SIGKILL)
            await chain[0].ended(5)
            by_first = delivered_in(deliveries)
        assert [service.faults for service in chain] == [[], []]
    delivered = delivered_in(deliveries)
    later = {line["call_sid"] for line in chain[1].events("captured")}
    # Where the disk is slow just then nothing is begun: never is better than twice, and the model is told.
    undone = {
        line["call_sid"] for line in chain[1].events("capture_delivered") if line["outcome"] == "refused"
    }
    for call in (task.result() for task in tasks):
        # Who is slow to be heard may hang up before the agent does.
        assert call.verbs[:2] == ["Connect/Stream", "Connect/Stream"]
        # What it was killed over before it was on disk is as if it had not been captured.
        assert not (call.sid in by_first and call.sid in later), "what is captured is not captured again"
        assert delivered[call.sid] <= 1
        assert delivered[call.sid] == 1 or call.sid not in later - undone
    assert by_first
    assert later


def delivered_in(deliveries: Path) -> Counter[str]:
    """How often something of each call was delivered."""
    return Counter(line.split()[0] for line in deliveries.read_text(encoding="utf-8").splitlines())


async def placed(line: Stack, phone: SimulatedCall, after_s: float) -> FinishedCall:
    await asyncio.sleep(after_s)  # So that each call is somewhere else when the process dies.
    return await line.finish(phone)
