"""The agents of examples/, called by the simulated phone: what each shows happens, and is heard."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from callbridge.call.agent_facts import AgentChanged, CaptureDelivered, StepEntered
from callbridge.call.facts import EndReason, TurnEnded
from callbridge.call.outcomes import ToolOutcome, TransferOutcome
from callbridge.simulators.phone import WaitForAgent, WaitForEnd
from callbridge.simulators.phone.written_people import MANNERS
from callbridge.simulators.voice_model import Call, load_script, voiced
from documented import ROOT, example
from e2e.played import HEARD, Voices, play
from e2e.transfers import WARM, people_behind

if TYPE_CHECKING:
    from callbridge.simulators.phone import Person, Step

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.heavy
async def test_the_receptionist_books_asks_and_says_goodbye() -> None:
    """Nothing is booked before the patient has said yes, and the goodbye knows what was booked."""
    receptionist, voices = example("receptionist"), Voices()
    book = Call(name="book", arguments={"time": "Monday 9:00"})
    note = Call(name="note_patient", arguments={"name": "Anna Berg"})
    ask = Call(name="ask_the_nurse", arguments={"question": "May I eat before?"})
    answers = [
        voices.agent("Good day, Anna Berg."),
        voices.agent(caller="An appointment, please.", calls=[note, Call(name="free_times")]),
        voices.agent("One moment, I open the calendar."),
        voices.agent("Monday at nine, or at half past ten?"),
        voices.agent(caller="At nine.", calls=[book]),
        voices.agent("Monday at nine for Anna Berg, is that right?", after_call=True),
        voices.agent(caller="Yes. May I eat before?", calls=[book, ask]),
        voices.agent("It is booked. I ask the nurse.", after_call=True),
        voices.agent("She says: come without breakfast."),
        voices.agent(caller="Thank you.", calls=[Call(name="finish")]),
        voices.agent("Thank you for calling. See you on Monday 9:00."),
    ]
    caller: list[Step] = [
        *(HEARD, voices.caller()),
        *(WaitForAgent(quiet_ms=1000), voices.caller()),  # Something is said before the answer.
        *(HEARD, voices.caller()),
        *(WaitForAgent(quiet_ms=1200), voices.caller()),  # The nurse takes her time.
        WaitForEnd(),
    ]
    played = await play(receptionist.agent, answers, caller, from_number="+14155550100")
    assert played.heard == [speech.text for answer in answers for speech in answer.speeches]
    assert "Anna Berg. How can I help?" in played.to_say
    outputs = [output for name, output in played.outputs if name == "book"]
    assert [outcome for outcome in played.outcomes if outcome is not ToolOutcome.ANSWERED] == [
        ToolOutcome.UNCONFIRMED
    ]
    assert outputs[-1] == "booked: Monday 9:00 for Anna Berg"
    assert receptionist.CALENDAR["Monday 9:00"] == "Anna Berg"
    assert any("come without breakfast" in told for told in played.told)
    assert "Thank you for calling. See you on Monday 9:00." in played.to_say
    assert played.call.ended.reason is EndReason.AGENT_HANGUP


@pytest.mark.heavy
async def test_the_clinic_books_what_was_misheard_and_corrected() -> None:
    """What is easily misheard is read back before it counts, and the flow leads from step to step."""
    clinic, voices = example("clinic"), Voices()
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).replace(hour=9, minute=0)
    misheard = {"name": "Samanda Hill", "email": "sam@exemple.com", "time": f"{tomorrow:%Y-%m-%dT%H:%M}"}
    corrected = {"name": "Samantha Hill", "email": "sam@example.com"}
    confirmed = {"fields": ["name", "email", "time"]}
    answers = [
        voices.agent("Good day."),
        voices.agent(caller="An appointment.", calls=[Call(name="go_to_details")]),
        voices.agent("Who comes, and when?"),
        voices.agent(caller="Tomorrow at nine.", calls=[Call(name="note_appointment", arguments=misheard)]),
        voices.agent("Samanda, at exemple?", after_call=True),
        voices.agent(caller="Samantha.", calls=[Call(name="note_appointment", arguments=corrected)]),
        voices.agent("Samantha, at example?", after_call=True),
        voices.agent(caller="Yes.", calls=[Call(name="confirm_appointment", arguments=confirmed)]),
        voices.agent("I pass it on."),
        voices.agent("It is booked. Anything else?"),
        voices.agent(caller="No.", calls=[Call(name="go_to_goodbye")]),
        voices.agent("Goodbye."),
    ]
    caller: list[Step] = [
        *(HEARD, voices.caller(), HEARD, voices.caller(), HEARD, voices.caller(), HEARD, voices.caller()),
        *(WaitForAgent(quiet_ms=1000), voices.caller()),  # What came of it follows.
        WaitForEnd(),
    ]
    played = await play(clinic.agent, answers, caller)
    assert list(clinic.APPOINTMENTS.values()) == ["Samantha Hill"]
    steps = [fact.step for fact in played.call.of(StepEntered)]
    assert steps == ["welcome", "details", "booked", "goodbye"]
    (delivered,) = played.call.of(CaptureDelivered)
    assert delivered.outcome == ToolOutcome.ANSWERED.value
    assert any("booked for Samantha Hill" in told for told in played.told)
    assert played.heard == [speech.text for answer in answers for speech in answer.speeches]
    assert played.call.ended.reason is EndReason.AGENT_HANGUP


@pytest.mark.heavy
async def test_the_front_desk_hands_over_and_has_the_caller_back() -> None:
    desk, voices = example("front_desk"), Voices()
    answers = [
        voices.agent("Harbour Bakery, hello! How can I help?"),
        voices.agent(caller="Bill 42.", calls=[Call(name="transfer_to_billing", arguments={"number": 42})]),
        voices.agent(calls=[Call(name="bill")], after_call=True),
        voices.agent("Twelve euros are open.", after_call=True),
        voices.agent(caller="And a rye bread.", calls=[Call(name="transfer_to_desk")]),
        voices.agent(calls=[Call(name="transfer_to_orders")], after_call=True),
        voices.agent("Orders, what may I bake for you?"),
    ]
    played = await play(desk.agent, answers, [HEARD, voices.caller(), HEARD, voices.caller(), HEARD])
    assert ("bill", "open: 12 euros") in played.outputs
    assert [fact.agent for fact in played.call.of(AgentChanged)] == ["billing", "desk", "orders"]
    assert played.heard == [
        *("Harbour Bakery, hello! How can I help?", "Twelve euros are open."),
        "Orders, what may I bake for you?",
    ]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("person", "outcome"),
    [(MANNERS["takes"], TransferOutcome.CONNECTED), (MANNERS["busy"], TransferOutcome.BUSY)],
)
async def test_the_bakery_puts_through_and_has_the_caller_back(
    person: Person, outcome: TransferOutcome
) -> None:
    """With the script that stands beside it: what docs/transfers.md has its reader try."""
    transfers, written = example("transfers"), ROOT / "examples" / "transfers.script.toml"
    script = voiced(load_script(written), folder=written.parent)
    async with people_behind(
        WARM, person, address=transfers.agent.destinations["office"].to, agent=transfers.agent, script=script
    ) as line:
        call = await line.call()
        assert (await line.ended(call)).outcome is outcome
    said = [turn.agent for turn in call.of(TurnEnded)]
    is_back = outcome is TransferOutcome.BUSY
    assert any("I am sorry" in words for words in said) == is_back
    assert len(line.account.messages) == is_back
    assert not call.report.warnings
    assert not call.report.findings
