"""Several agents in one process: by the number that was called, and as a function of the user's chooses."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
import zoneinfo
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.context import Call
from callbridge.agents.detection import SemanticVad
from callbridge.call.facts import EndReason, StreamStarted, TurnEnded
from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Call as Called
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, FinishedCall, Log, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import Journal

pytestmark = pytest.mark.usefixtures("nothing_left")

TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")
GOODBYE = Called(name="end_call")
BAKERY, CLINIC = "+14155550111", "+14155550112"


def speech(text: str, ms: int) -> Speech:
    """Words with a sound of their own: which of them a caller hears is no chance."""
    return Speech(text=text, audio=noise(random.Random(text), ms))


def of_one_call_each(*firsts: Answer) -> Script:
    """The n-th connection of the model begins with the n-th answer."""
    return Script(answers=firsts, answers_go_on=True, after_ms=20)


def said_in(call: FinishedCall, journal: Journal) -> list[str]:
    """What the caller heard, to its end, and of no other session than this one."""
    assert [item.was_heard_to_its_end for item in call.heard(journal)] == [True]
    return [turn.agent for turn in call.of(TurnEnded)]


async def test_two_numbers_have_two_agents() -> None:
    """Each hears its own; the model of each call was told what its agent is."""

    async def instructions(call: Call) -> str:
        return f"You answer {call.called} as {call.agent}."

    def greeting(call: Call) -> str:
        return f"Good {call.local_time:%H}, {call.caller.number}."

    bakery = Agent(name="bakery", instructions=instructions, greeting="Bakery.", voice="cedar")
    clinic = Agent(
        name="clinic",
        instructions=instructions,
        greeting=greeting,
        model="gpt-realtime-2.1-mini",
        language="ja",
        time_zone="Asia/Tokyo",
        turn_detection=SemanticVad(eagerness="low"),
    )
    script = of_one_call_each(
        Answer(say=(speech("Bakery.", 200),), calls=(GOODBYE,)),
        Answer(say=(speech("Clinic.", 300),), calls=(GOODBYE,)),
    )
    async with stack(script, agent={BAKERY: bakery, CLINIC: clinic}) as running:
        first = await running.call([WaitForEnd()], to_number=BAKERY)
        hours = {f"{dt.datetime.now(TOKYO):%H}"}
        second = await running.call([WaitForEnd()], to_number=CLINIC)
        hours.add(f"{dt.datetime.now(TOKYO):%H}")
        ours, theirs = running.model.sessions
    for call, journal, name in ((first, ours, "bakery"), (second, theirs, "clinic")):
        assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED), call.ended
        assert [started.agent for started in call.of(StreamStarted)] == [name]
        assert journal.refusals == []
    assert (said_in(first, ours), said_in(second, theirs)) == (["Bakery."], ["Clinic."])
    bakers, clinics = ours.session, theirs.session
    assert bakers["instructions"] == f"You answer {BAKERY} as bakery."
    assert clinics["instructions"].startswith(f"You answer {CLINIC} as clinic.")
    assert (bakers["audio"]["output"]["voice"], clinics["audio"]["output"]["voice"]) == ("cedar", "marin")
    assert (ours.model, theirs.model) == ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")
    assert clinics["audio"]["input"]["transcription"]["language"] == "ja"
    assert clinics["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert bakers["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    caller = second.of(StreamStarted)[0].caller
    assert theirs.responses[0].instructions in {
        f"Greet the caller. Say exactly this and nothing else: Good {hour}, {caller}." for hour in hours
    }


async def test_a_function_chooses_by_the_address_of_the_number(log: Log) -> None:
    """What the address says reaches the agent's tools. Where the function hangs, the default one answers."""

    async def which_branch(call: Call) -> str:
        """Which branch this is."""
        return f"{call.parameters['branch']} for customer {call.values['customer']}"

    default, clinic = Agent(name="reception"), Agent(name="clinic", tools=[which_branch])

    async def choose(call: Call) -> Agent:
        if call.parameters.get("to") != "clinic":
            await asyncio.Event().wait()
            return default
        call.values["customer"] = 7
        return clinic

    script = of_one_call_each(
        Answer(say=(speech("Clinic.", 200),), calls=(Called(name="which_branch"),)),
        Answer(say=(speech("Goodbye.", 200),), calls=(GOODBYE,), after_call=True),
        Answer(say=(speech("Reception.", 200),), calls=(GOODBYE,)),
    )
    began = time.monotonic()
    async with stack(script, agent=choose) as running:
        chosen, hung = await together(
            running.call([WaitForEnd()], query="to=clinic&branch=7"), running.call([WaitForEnd()])
        )
        took_s = time.monotonic() - began
        theirs, ours = running.model.sessions
    assert [call.of(StreamStarted)[0].agent for call in (chosen, hung)] == ["clinic", "reception"]
    assert [call.verbs for call in (chosen, hung)] == [CONNECTED_AND_ENDED] * 2
    (output,) = [item for item in theirs.items.values() if item.type == "function_call_output"][:1]
    assert output.fields["output"] == "7 for customer 7"
    tool = next(tool for tool in theirs.session["tools"] if tool["name"] == "which_branch")
    assert tool["parameters"]["properties"] == {}
    assert [item.was_heard_to_its_end for item in hung.heard(ours)] == [True]
    (line,) = log.events("agent_not_chosen")
    assert (line["reason"], line["agent"]) == ("it took longer than 1 s", default.name)
    assert took_s < 5  # A second of it is the function's; a busy machine takes the rest.
