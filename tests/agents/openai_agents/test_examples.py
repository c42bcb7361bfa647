"""The SDK's own realtime examples, unmodified, answer calls."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

import sdk_examples
from callbridge import Call
from callbridge.call.agent_facts import GuestChanged
from callbridge.call.facts import TurnEnded
from callbridge.openai_agents import guest
from callbridge.testing import Calls, Interrupt, Line

if TYPE_CHECKING:
    from pathlib import Path

    from agents.realtime import RealtimeSession

pytestmark = pytest.mark.heavy

MICROPHONE = ("numpy", "sounddevice")
"""What the example on the command line has beside the SDK: nothing that a call uses."""

AIRLINE = (
    "Of course. You may bring one bag on the plane, and it must be under fifty pounds, and twenty-two inches "
    "by fourteen inches by nine inches at the most."
)


@pytest.fixture(scope="module")
def examples(pytestconfig: pytest.Config) -> Path:
    """The folder of the examples, in pytest's cache."""
    assert pytestconfig.cache is not None
    return sdk_examples.unpacked(pytestconfig.cache.mkdir("openai-agents"))


def results(call: Any) -> list[str]:
    items = call.sessions[0].items.values()
    return [str(item.fields["output"]) for item in items if item.type == "function_call_output"]


def is_telephone(call: Any) -> bool:
    audio = call.sessions[0].session["audio"]
    return bool(audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"})


async def test_the_airline_of_the_browser_example(line: Line, examples: Path) -> None:
    """A tool, handoffs there and back, a tool that needs approval, an interruption, the history of it all."""
    history: list[Any] = []

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "tool_approval_required":  # As its server asks the browser.
                await asyncio.sleep(1)
                await session.approve_tool_call(event.call_id)
            elif event.type == "history_updated":
                history[:] = event.history
            elif event.type == "history_added":
                history.append(event.item)

    start = sdk_examples.imported(examples / "app" / "agent.py").get_starting_agent()
    call = await line.call(
        guest(start, events=events),
        caller=["Weather in Oslo?", "A bag?", Interrupt(after_ms=1500, say="A seat!"), "Thank you."],
        model=[
            "Hello, this is the airline.",
            *(Calls("get_weather", city="Oslo"), "Sunny."),
            *(Calls("transfer_to_faq_agent"), Calls("faq_lookup_tool", question="bag"), AIRLINE),
            *(Calls("transfer_to_triage_agent"), Calls("transfer_to_seat_booking_agent")),
            *(Calls("update_seat", confirmation_number="7", new_seat="2A"), "You have it.", "Goodbye."),
        ],
    )
    changed = [fact.agent for fact in call.facts if isinstance(fact, GuestChanged)]
    assert changed == ["FAQ Agent", "Triage Agent", "Seat Booking Agent"]
    assert results(call)[0] == "The weather in Oslo is sunny."
    assert results(call)[2].startswith("You are allowed to bring one bag")
    assert results(call)[-1] == "Updated seat to 2A for confirmation number 7"
    heard = [turn.agent for turn in call.facts if isinstance(turn, TurnEnded) and turn.agent]
    assert heard[2].endswith("…")
    said = [item for item in history if item.type == "message" and item.role == "assistant"]
    assert [item.content[0].transcript for item in said] == heard
    assert is_telephone(call)
    call.expect.truncation(within_ms=60)
    call.expect.barge_in(within_ms=400)
    call.expect.no_complaints(except_=["silence"])  # Its look-up takes three seconds, on purpose.


async def test_its_seats_are_not_changed_where_nobody_approves(line: Line, examples: Path) -> None:
    module = sdk_examples.imported(examples / "app" / "agent.py")
    call = await line.call(
        module.seat_booking_agent,
        caller=["2A!"],
        model=["Hello.", Calls("update_seat", confirmation_number="7", new_seat="2A"), "I cannot."],
    )
    assert "nobody is there who could give it" in results(call)[0]
    call.expect.no_complaints(except_=[re.compile("openai_agents_not_approved")])


@pytest.mark.parametrize(
    ("example", "of", "greets"),
    [
        ("twilio/twilio_handler.py", "agent", "You are a helpful assistant that starts every"),
        ("cli/demo.py", "agent", "You always greet the user"),
    ],
)
async def test_one_agent_with_its_tools(
    line: Line, examples: Path, example: str, of: str, greets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MICROPHONE:
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, MagicMock())
    module = sdk_examples.imported(examples / example)
    call = await line.call(
        getattr(module, of),
        caller=["Weather in Oslo?", "Goodbye."],
        model=["Top of the morning!", Calls("get_weather", city="Oslo"), "Sunny.", "Goodbye."],
    )
    assert call.sessions[0].session["instructions"].startswith(greets)
    assert results(call) == ["The weather in Oslo is sunny."]
    assert is_telephone(call)
    call.expect.no_complaints()


async def test_the_desk_of_the_sip_example(line: Line, examples: Path) -> None:
    start = sdk_examples.imported(examples / "twilio_sip" / "agents.py").get_starting_agent()
    call = await line.call(
        start,
        caller=["My address has changed.", "Goodbye."],
        model=[
            "Hello, this is customer service.",
            Calls("transfer_to_records_agent"),
            Calls("update_customer_record", customer_id="7", note="a new address"),
            "It is noted.",
            "Goodbye.",
        ],
    )
    assert results(call)[-1] == "Recorded note for 7: a new address"
    call.expect.no_complaints()
