"""`callbridge agent show`: what is said of an agent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = '''
from typing import Literal
from pydantic import BaseModel
from callbridge import Agent, Call, Destination, Flow, Handoff, Step, answered, by, key

class Booking(BaseModel):
    "An appointment."
    name: str
    weeks: list[int] = []

def find_slot(day: Literal["Monday", "Tuesday"], weeks: list[int] = []) -> str:
    """Looks for a free slot.

    Call it again for another day.
    """
    return day

agent = Agent(
    instructions="You answer for the\\n[Harbour] Clinic.",
    greeting=lambda: "Hello!",
    language="en",
    person_key="0",
    transfers=[
        Destination("nurse", "+493012345678", when="They feel ill.", warm=True, hours="Mo-Fr 9-17"),
        Destination("desk", by("city", {"Bonn": "sip:desk@pbx.example.com"}, otherwise="client:anna"),
                    says="One\\nmoment."),
        Destination("doctor", lambda: "", within=["+4930", "client:*"], shows="line"),
        Destination("lab", "+493012345679", extension="ww12", asks=True),
    ],
    flow=Flow(
        Step(
            "start",
            "Find a slot.",
            tools=[find_slot],
            transfers=["nurse"],
            go=[answered(find_slot, to="done"), key("2", to="done")],
        ),
        Step("done", captures=Booking, instructions=lambda: "Bye.", ends=True),
    ),
)

@agent.tool(irreversible=True, confirm=True, timeout_s=3)
async def pay(amount: float) -> str:
    """Pays."""
    return ""

@agent.key("9")
def nothing() -> None:
    pass

plain = Agent()
harbour = Agent(model="gpt-realtime-2", time_zone="Europe/Berlin")
lines = {"+49 30 1234567": harbour, "sip:desk@example.sip.twilio.com": plain, "*": plain}

def choose(call: Call) -> Agent:
    return harbour

billing = Agent(name="billing", handoff_description="Questions about bills.", can_hang_up=False)
desk = Agent(name="desk", can_hang_up=False)
desk.handoffs.append(Handoff(billing, input_type=Booking, say="This is billing."))
billing.handoffs.append(desk)

@desk.guardrail(say="Let us talk about bread.")
def no_rivals(text: str) -> bool:
    "Other bakeries are not talked about."
    return "Mill Lane" in text

@desk.tool_guardrail
def small_orders(tool: str, arguments: dict) -> None: ...
'''

DRAWING = """\
stateDiagram-v2
    done: done
    done: captures booking
    [*] --> start
    start --> done: find_slot answered
    start --> done: key 2
    done --> [*]
"""

HANDOFFS_SHOWN = """\
Agent desk
  instructions: (from the settings)
  greeting: (from the settings)

Handoffs
  transfer_to_billing(name: string, weeks: list of integer (may be left out)): billing
    Questions about bills.
    says: This is billing.

Guardrails
  no_rivals: Other bakeries are not talked about.
    says: Let us talk about bread.
  small_orders, of tools

Agent billing
  instructions: (from the settings)
  greeting: (from the settings)

Handoffs
  transfer_to_desk(): desk
"""

SHOWN = """\
Agent agent
  instructions: You answer for the [Harbour] Clinic.
  greeting: (a function: <lambda>)
  language: en

Tools
  end_call()
    End the telephone call. Say goodbye in the same answer, before you call this.
  pay(amount: number)
    Pays.
    asks the caller first, never done twice, at most 3 s

Transfers
  nurse: +********78
    They feel ill.
    rings 20 s, shows the caller's number, warm, and asked before, hours: Mo-Fr 9-17
  desk: by city (bonn: sip:********@pbx.example.com, otherwise: client:********)
    rings 20 s, shows the caller's number, says: One moment.
  doctor: as <lambda>() answers, within +4930, client:*
    rings 20 s, shows the line's number
  lab: +********79
    rings 20 s, shows the caller's number, asked before, presses 4 keys

Keys
  9: nothing()
  0: a person

Step start
  Find a slot.
  find_slot(day: Monday | Tuesday, weeks: list of integer (may be left out))
    Looks for a free slot.
  may put through to: nurse
  find_slot answered -> done
  key 2 -> done

Step done (ends the call)
  (a function)
  captures booking: An appointment.
    name (string)
    weeks (list of integer): may be left out

Flow
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with a program in it, where the command is called."""
    (tmp_path / "clinic_agent.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("CALLBRIDGE_AGENT", raising=False)
    yield
    sys.modules.pop("clinic_agent", None)


@pytest.mark.usefixtures("program")
def test_all_of_an_agent_is_shown_and_no_account_is_needed() -> None:
    ended = CliRunner().invoke(app, ["agent", "show", "clinic_agent:agent"], env={"COLUMNS": "40"})
    flow = "".join(f"  {line}\n" for line in DRAWING.splitlines())
    assert (ended.exit_code, ended.output) == (0, SHOWN + flow)


@pytest.mark.usefixtures("program")
def test_of_several_agents_it_is_shown_who_answers_which_call() -> None:
    shown = CliRunner().invoke(app, ["agent", "show", "clinic_agent:lines"]).output
    assert shown.startswith(
        "Calls\n  +49301234567: harbour\n  sip:desk@example.sip.twilio.com: plain\n  all others: plain\n"
    ), shown
    assert "  time zone: Europe/Berlin\n  model: gpt-realtime-2\n" in shown
    chosen = CliRunner().invoke(app, ["agent", "show", "clinic_agent:choose"]).output
    assert chosen.startswith("Calls\n  as choose() chooses; where it fails:\n  all: agent\n"), chosen


@pytest.mark.usefixtures("program")
def test_agents_that_callers_may_be_handed_to_are_shown_behind_who_answers() -> None:
    shown = CliRunner().invoke(app, ["agent", "show", "clinic_agent:desk"]).output
    assert shown == HANDOFFS_SHOWN


@pytest.mark.usefixtures("program")
def test_the_drawing_alone_is_what_mermaid_reads() -> None:
    """By default of the agent that answers."""
    ended = CliRunner().invoke(
        app, ["agent", "show", "--mermaid"], env={"CALLBRIDGE_AGENT": "clinic_agent:agent"}
    )
    assert (ended.exit_code, ended.output) == (0, DRAWING)


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "callbridge agent show bakery:agent. Or write"),
        (
            ["--mermaid", "clinic_agent:plain"],
            "clinic_agent:plain has no flow; give it one with Agent(flow=…)",
        ),
        (
            ["clinic_agent:nobody"],
            "clinic_agent has no nobody; did you mean agent, plain, harbour, billing, desk?",
        ),
    ],
)
def test_what_cannot_be_shown_is_told(arguments: list[str], words: str) -> None:
    ended = CliRunner().invoke(app, ["agent", "show", *arguments])
    assert (ended.exit_code, words in ended.output) == (1, True), ended.output
