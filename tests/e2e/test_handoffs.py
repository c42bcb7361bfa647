"""One call, two agents, over real sockets: the caller is handed over in mid-call, and hears one voice."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from callbridge import Agent, Call, Handoff
from callbridge.call.agent_facts import AgentChanged
from callbridge.call.facts import EndReason, SessionAmended, ToolUsed, TurnEnded
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Script, serve_model
from callbridge.simulators.voice_model import Call as Calls
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import Front, Talker, services
from e2e.stack import CONNECTED_AND_ENDED, stack, variables
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.voice_model import Journal

pytestmark = pytest.mark.usefixtures("nothing_left")

HASTY = {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "200"}

BILLING = "You are billing of Harbour Bakery."


def desk_and_billing() -> Agent:
    """Who takes the call. Billing would like another voice."""
    billing = Agent(name="billing", instructions=BILLING, voice="marin")
    desk = Agent(
        name="desk",
        instructions="You are the desk of Harbour Bakery.",
        greeting="Harbour Bakery.",
        voice="cedar",
        handoffs=[billing],
    )
    billing.handoffs.append(desk)

    @billing.tool
    async def bill_of(number: int, call: Call) -> str:
        """Look up a bill."""
        return f"bill {number} is open, says {call.agent}"

    return desk


def conversation(rng: random.Random) -> Script:
    """The desk imagines a tool of billing's before it hands over. What the desk would say is marked."""

    def say(text: str, duration_ms: int = 200) -> tuple[Speech]:
        return (Speech(text=text, audio=noise(rng, duration_ms)),)

    bill = Calls(name="bill_of", arguments={"number": 7}, even_if_not_offered=True)
    return Script(
        answers=(
            Answer(say=say("Harbour Bakery.", 300)),
            Answer(calls=(bill,), caller="It is about bill seven."),
            Answer(calls=(Calls(name="transfer_to_billing"),), after_call=True),
            Answer(say=say("The desk still speaks."), unless_told=BILLING),
            Answer(say=say("Billing. Bill seven?")),
            Answer(calls=(bill,), caller="Yes."),
            Answer(say=say("It is open. Goodbye."), calls=(Calls(name="end_call"),)),
        ),
        after_ms=20,
    )


async def test_the_first_words_behind_a_handoff_are_those_of_the_other_agent() -> None:
    rng = random.Random(11)
    said = Say(noise(rng, 200))
    caller = CallerScript([WaitForAgent(200), said, WaitForAgent(200), said, WaitForEnd()])
    async with stack(conversation(rng), agent=desk_and_billing(), environment=HASTY) as running:
        call = await running.call(caller)
        (journal,) = running.model.sessions
    assert call.report.is_clean, call.report
    assert (call.verbs, call.ended.reason) == (CONNECTED_AND_ENDED, EndReason.AGENT_HANGUP)
    assert journal.refusals == []
    changed = [(fact.agent, fact.was, fact.because) for fact in call.of(AgentChanged)]
    assert changed == [("billing", "desk", "transfer_to_billing")]
    tools = [(tool.name, tool.outcome.is_answer) for tool in call.of(ToolUsed)]
    assert tools == [
        *(("bill_of", False), ("transfer_to_billing", True)),
        *(("bill_of", True), ("end_call", True)),
    ]
    spoken = [turn.agent for turn in call.of(TurnEnded)]
    assert spoken == ["Harbour Bakery.", "Billing. Bill seven?", "It is open. Goodbye."]
    assert [fact.is_confirmed for fact in call.of(SessionAmended)] == [True], "one update, and no more"
    assert_one_voice_and_format(journal)
    assert "assistant: Harbour Bakery." in journal.memory, "in the same session"
    for item in call.heard():
        assert item.received_ms == item.heard_ms == item.sent_ms, item


def assert_one_voice_and_format(journal: Journal) -> None:
    """The vendor changes no voice that has spoken, and a format that changes is loud noise."""
    formats = {note.text[:31] for note in journal.notes if note.kind == "configured"}
    assert formats == {"audio/pcmu in, audio/pcmu out, "}
    assert journal.session["audio"]["output"]["voice"] == "cedar"
    assert journal.session["instructions"].startswith(BILLING)


@pytest.mark.heavy
async def test_an_exact_sentence_is_said_by_the_other_agent() -> None:
    rng = random.Random(12)
    desk = desk_and_billing()
    desk.handoffs[:] = [Handoff(desk.handoffs[0], say="This is billing.")]  # type: ignore[arg-type]
    script = Script(
        answers=(
            Answer(say=(Speech(text="Harbour Bakery.", audio=noise(rng, 300)),)),
            Answer(calls=(Calls(name="transfer_to_billing"),), caller="A bill."),
            Answer(say=(Speech(text="This is billing.", audio=noise(rng, 300)),)),
            Answer(say=(Speech(text="Goodbye.", audio=noise(rng, 200)),), calls=(Calls(name="end_call"),)),
        ),
        after_ms=20,
    )
    said = Say(noise(rng, 200))
    caller = CallerScript([WaitForAgent(200), said, WaitForAgent(200), said, WaitForEnd()])
    async with stack(script, agent=desk, environment=HASTY) as running:
        call = await running.call(caller)
        (journal,) = running.model.sessions
    assert call.report.is_clean, call.report
    spoken = [turn.agent for turn in call.of(TurnEnded)]
    assert spoken == ["Harbour Bakery.", "This is billing.", "Goodbye."]
    assert "This is billing." in journal.responses[2].instructions, "exactly this, once"


# --- The process leaves ---------------------------------------------------------------------------------

AGENTS = f"""
from callbridge import Agent

billing = Agent(name="billing", instructions={BILLING!r})
desk = Agent(name="desk", greeting="Harbour Bakery.", instructions="You are the desk.", handoffs=[billing])
"""


@pytest.mark.heavy
@pytest.mark.usefixtures("without_debugging")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["handed over", "killed"])
async def test_another_process_goes_on_with_the_agent_that_was_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    rng = random.Random(13)
    (tmp_path / "bakery.py").write_text(AGENTS, encoding="utf-8")
    more = {
        "CALLBRIDGE_AGENT": "bakery:desk",
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
        "CALLBRIDGE_DRAIN_SECONDS": "1",
    }

    def say(text: str) -> tuple[Speech]:
        return (Speech(text=text, audio=noise(rng, 250)),)

    old = Script(
        answers=(
            Answer(say=say("Harbour Bakery.")),
            Answer(calls=(Calls(name="transfer_to_billing"),), caller="A bill."),
        ),
        default=Answer(say=say("Billing, yes?")),
        after_ms=20,
    )
    new = Script(
        answers=(
            Answer(say=say("The desk."), unless_told=BILLING),
            Answer(say=say("Bye."), calls=(Calls(name="end_call"),)),
        ),
        after_ms=20,
    )
    async with (
        serve_model(old) as first,
        serve_model(new) as second,
        Front().open() as front,
        services(tmp_path, *(variables(front.url, model.url, **more) for model in (first, second))) as chain,
    ):
        front.send_to(chain[0])
        line = chain[0].line(first)
        async with asyncio.TaskGroup() as calling:
            task = calling.create_task(line.finish(line.phone(Talker("a bill", streams=2))))
            assert await until(lambda: len(chain[0].events("turn_ended")) >= 3, 20)
            front.send_to(chain[1])
            chain[0].signal(number)
        call = task.result()
        assert [service.faults for service in chain] == [[], []]
    assert call.verbs[:2] == ["Connect/Stream", "Connect/Stream"]
    assert [line["agent"] for line in chain[0].events("agent_changed")] == ["billing"]
    journal = next(one for one in second.sessions if one.responses)
    assert journal.session["instructions"].startswith(BILLING)
    assert "transfer_to_billing" not in [tool["name"] for tool in journal.session["tools"]]
    assert not [words for words in journal.memory if "The desk." in words]
    assert chain[1].events("agent_changed") == [], "that was before"
