"""The call as the SDK's session sees its model: what it may send, and when that counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import FunctionTool
from agents.realtime import (
    RealtimeModelErrorEvent,
    RealtimeModelListener,
    RealtimeModelSendInterrupt,
    RealtimeModelSendSessionUpdate,
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
    RealtimeModelToolCallEvent,
    RealtimeModelTranscriptDeltaEvent,
)
from structlog.testing import capture_logs

from callbridge.agents.guardrails.in_call import TRIPS_MAX
from callbridge.agents.openai_agents import model as models
from callbridge.agents.openai_agents.model import Asked, CallModel
from callbridge.agents.openai_agents.telling import function_call
from callbridge.agents.openai_agents.tools import Waits
from callbridge.agents.tools.toolbox import TOOLS_MAX
from callbridge.agents.wants import Wants
from callbridge.call import wants as w
from callbridge.call.facts import GuardrailTripped
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp

if TYPE_CHECKING:
    from collections.abc import Collection

    from agents.realtime import RealtimeModelEvent

    from callbridge.agents.tools.tool import ToolResult


async def nobody(_tool: Any, _call_id: str, _arguments: str) -> ToolResult:
    raise AssertionError("no tool is run here")


class Rig:
    """A model, and what it wants of its call."""

    def __init__(self, taken: Collection[str] = ()) -> None:
        self.wants = Wants(asyncio.get_running_loop())
        self.model = CallModel(self.wants, nobody, Waits(), taken)

    def wanted(self) -> list[Any]:
        found = []
        while (want := self.wants.take()) is not None:
            found.append(want)
        return found

    def says(self, response_id: str, item_id: str) -> None:
        self.model.tell(RealtimeModelTranscriptDeltaEvent(item_id, "words", response_id))


def interrupt(response_id: str | None = None, **more: bool) -> RealtimeModelSendInterrupt:
    return RealtimeModelSendInterrupt(response_id=response_id, **more)


async def test_what_is_sent_on_a_condition_is_sent_in_the_same_moment_or_not_at_all() -> None:
    rig = Rig()
    message = RealtimeModelSendUserInput(user_input="Hello")
    assert not await rig.model.send_event_if(message, lambda: False)
    assert rig.wanted() == []
    sending = rig.model.send_event_if(message, lambda: True)
    with pytest.raises(StopIteration) as sent:  # It ends without having let go of the loop once.
        sending.send(None)
    assert sent.value.value is True
    assert rig.wanted() == [w.AgentTells("Hello", is_callers=True)]


async def test_a_guardrail_stops_the_response_that_it_looked_at_and_no_other() -> None:
    rig = Rig()
    rig.says("resp_1", "item_1")
    rig.says("resp_2", "item_2")
    await rig.model.send_event(interrupt("resp_1", playback_only=True))
    assert rig.wanted() == [], "it may be said why"
    await asyncio.sleep(0)
    assert rig.wanted() == [w.AnswerStopped("session.interrupt", "item_1", is_answered=False)]
    await rig.model.send_event(interrupt("resp_2", force_response_cancel=True))
    await rig.model.send_event(RealtimeModelSendUserInput(user_input="guardrail triggered: no discount"))
    (stopped,) = rig.wanted()
    assert (stopped.guardrail, stopped.item_id, stopped.is_answered) == ("no discount", "item_2", True)
    assert "guardrail triggered: no discount" in stopped.tells
    await asyncio.sleep(0)
    assert rig.wanted() == [], "once"


async def test_a_trip_counts_where_it_has_stopped_something_or_all_was_heard() -> None:
    rig = Rig()

    async def trips(*, was_cut: bool, heard: int, withheld: int) -> list[Any]:
        rig.says("resp_1", "item_1")
        await rig.model.send_event(interrupt("resp_1"))
        await rig.model.send_event(RealtimeModelSendUserInput(user_input="guardrail triggered: all"))
        (stopped,) = rig.wanted()
        rig.model.tripped(GuardrailTripped("all", "another", True, 0, 9, 0, 9))
        rig.model.tripped(GuardrailTripped("all", "item_1", was_cut, 0, 0, heard, withheld))
        return [stopped, *rig.wanted()]

    for _ in range(TRIPS_MAX):  # The caller had interrupted it.
        assert len(await trips(was_cut=False, heard=3, withheld=9)) == 1
    stopped, told = await trips(was_cut=False, heard=12, withheld=0)
    assert told == w.AgentTells(stopped.tells), "they have heard it"
    for _ in range(TRIPS_MAX - 2):
        assert len(await trips(was_cut=True, heard=3, withheld=9)) == 1
    stopped, wish = await trips(was_cut=True, heard=3, withheld=9)
    assert (stopped.is_answered, wish) == (True, w.WishSet(HangUp()))
    assert "say goodbye" in stopped.tells
    assert not (await trips(was_cut=True, heard=3, withheld=9))[0].is_answered


@pytest.mark.parametrize("sent", [interrupt("resp_9"), interrupt("resp_1", cancel_response_only=True)])
async def test_what_cannot_be_heard_is_not_stopped(sent: RealtimeModelSendInterrupt) -> None:
    rig = Rig()
    rig.says("resp_1", "item_1")
    await rig.model.send_event(sent)
    await asyncio.sleep(0)
    assert rig.wanted() == []


async def test_of_many_responses_the_last_are_known() -> None:
    rig = Rig()
    for number in range(models.RESPONSES_KEPT + 1):
        rig.says(f"resp_{number}", f"item_{number}")
    for number in (0, 1):
        await rig.model.send_event(interrupt(f"resp_{number}"))
        await asyncio.sleep(0)
    assert [stopped.item_id for stopped in rig.wanted()] == ["item_1"]


async def test_a_result_that_nobody_waits_for_is_left() -> None:
    rig = Rig()
    called = RealtimeModelToolCallEvent("pay", "call_1", "{}")
    with capture_logs() as lines:
        await rig.model.send_event(RealtimeModelSendToolOutput(called, "paid", start_response=True))
    assert [line["event"] for line in lines] == ["openai_agents_output_late"]


async def test_a_result_that_is_too_long_is_in_the_history_as_the_model_is_told_it() -> None:
    rig, kept = Rig(), Kept()
    rig.model.add_listener(kept)
    asked = rig.model.asked["call_1"] = Asked(asyncio.get_running_loop().create_future())
    called = RealtimeModelToolCallEvent("stock", "call_1", "{}")
    await rig.model.send_event(RealtimeModelSendToolOutput(called, "z" * 9000, start_response=False))
    await rig.model.tell_next()
    answer = asked.answer.result()
    assert (answer.outcome, answer.is_quiet) == (ToolOutcome.FAILED, True)
    assert "longer than 8192 bytes" in answer.output
    assert kept.events == [function_call("call_1", "stock", "{}", answer.output)]


async def test_half_a_character_in_a_result_costs_itself_alone() -> None:
    """As a program leaves it that cuts words in the midst of an emoji."""
    rig, kept = Rig(), Kept()
    rig.model.add_listener(kept)
    asked = rig.model.asked["call_1"] = Asked(asyncio.get_running_loop().create_future())
    called = RealtimeModelToolCallEvent("stock", "call_1", "{}")
    await rig.model.send_event(RealtimeModelSendToolOutput(called, "fish \ud83d", start_response=True))
    await rig.model.tell_next()
    assert asked.answer.result().output == "fish ?"
    assert kept.events == [function_call("call_1", "stock", "{}", "fish ?")]


async def test_an_image_is_an_error_and_its_text_is_told() -> None:
    rig, kept = Rig(), Kept()
    rig.model.add_listener(kept)
    content: Any = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": "data:"}]
    message: Any = {"type": "message", "role": "user", "content": content}
    await rig.model.send_event(RealtimeModelSendUserInput(user_input=message))
    await rig.model.tell_next()
    assert rig.wanted() == [w.AgentTells("Look:", is_callers=True)]
    assert [type(event) for event in kept.events] == [RealtimeModelErrorEvent]


class Kept(RealtimeModelListener):
    """All that it is told."""

    def __init__(self) -> None:
        self.events: list[RealtimeModelEvent] = []

    async def on_event(self, event: RealtimeModelEvent) -> None:
        self.events.append(event)


async def test_who_knows_an_event_is_not_told_it_again() -> None:
    rig, knows, other = Rig(), Kept(), Kept()
    for listener in (knows, other, other):
        rig.model.add_listener(listener)
    rig.model.tell(error := RealtimeModelErrorEvent("x"), knows)
    await rig.model.tell_next()
    assert (knows.events, other.events) == ([], [error])
    rig.model.remove_listener(other)
    rig.model.tell(error)
    await rig.model.tell_next()
    assert (knows.events, other.events) == ([error], [error])


async def test_events_that_nobody_takes_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "UNTOLD_MAX", 3)
    rig, kept = Rig(), Kept()
    rig.model.add_listener(kept)
    with capture_logs() as lines:
        for number in range(9):
            rig.model.tell(RealtimeModelErrorEvent(number))
    assert [line["event"] for line in lines] == ["openai_agents_events_lost"], "said once"
    for _ in range(3):
        await rig.model.tell_next()
    assert [event.error for event in kept.events] == [0, 1, 2]  # type: ignore[union-attr]  # All are errors.


async def test_tools_that_come_in_the_call_have_bounds_right_schemas_and_names_of_their_own() -> None:
    """Those of an MCP server are known only then."""

    def tool(name: str, kind: str = "string") -> FunctionTool:
        async def answer(_context: Any, _arguments: str) -> str:
            return ""

        schema = {"type": "object", "properties": {"it": {"type": kind}}}
        return FunctionTool(name, name, schema, answer, strict_json_schema=False)

    rig = Rig(taken=["end_call"])
    tools: Any = [
        tool("wrong", "whole"),
        tool("two words"),
        tool("end_call"),
        *(tool(f"tool_{number}") for number in range(TOOLS_MAX + 5)),
    ]
    with capture_logs() as lines:
        await rig.model.send_event(RealtimeModelSendSessionUpdate({"instructions": "Be.", "tools": tools}))
    assert rig.model.instructions == "Be."
    assert len(rig.model.tools) == TOOLS_MAX
    (line,) = lines
    assert [why[:10] for why in line["reasons"]] == ["tool wrong", "tool two w", "tool end_c", "the model "]
    assert rig.wants.take_change()
