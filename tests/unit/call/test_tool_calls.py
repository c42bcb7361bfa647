"""The tools that the model has asked for: run once, answered once, and to whom."""

from __future__ import annotations

import pytest

from callbridge.call import actions as a
from callbridge.call.naming import Names
from callbridge.call.responses import Response
from callbridge.call.tool_calls import ToolCalls
from callbridge.wire import realtime as rt
from callbridge.wire import realtime_commands as commands
from vocabulary import answering, done, gone, greeted, tool_call, tool_finished


class Calls:
    """The tool calls of a call, with all that they did and sent."""

    def __init__(self) -> None:
        self.done: list[a.Action] = []
        self.sent: list[commands.AnyCommand] = []
        self.tools = ToolCalls(8.0, self.done.append, self._send, Names().next_item_id)

    def _send(self, command: commands.AnyCommand) -> str:
        self.sent.append(command)
        return "cb_1"


CALL = tool_call("answer", "call_1", arguments='{"day":1}').item


def test_a_call_runs_once_whatever_is_announced() -> None:
    calls = Calls()
    calls.tools.start(CALL, None)
    calls.tools.start(CALL, None)
    assert calls.done == [a.RunTool("call_1", "look_up", '{"day":1}', 8.0)]
    calls.tools.finish("call_1")
    calls.tools.start(CALL, None)
    assert len(calls.done) == 1
    assert len(calls.tools) == 0


@pytest.mark.parametrize(
    "item",
    [
        rt.Item("i", "message", "completed"),
        rt.Item("i", "function_call", "incomplete", None, "look_up", "call_1", "{"),
        rt.Item("i", "function_call", "completed", None, "look_up", None, "{}"),
    ],
    ids=["a message", "interrupted", "without a name for the answer"],
)
def test_anything_but_a_whole_call_runs_nothing(item: rt.Item) -> None:
    calls = Calls()
    calls.tools.start(item, None)
    assert calls.done == []


def test_a_result_goes_to_the_session_that_asked() -> None:
    calls = Calls()
    calls.tools.start(CALL, Response("answer"))
    assert calls.tools.arguments_of("call_1") == '{"day":1}'
    running = calls.tools.finish("call_1")
    assert running is not None
    assert calls.tools.tell(running, tool_finished("call_1")) == "cb_item_1"
    assert calls.sent == [commands.CreateItem(item=commands.FunctionCallOutput("cb_item_1", "call_1", "yes"))]
    assert calls.tools.finish("call_1") is None
    assert calls.tools.arguments_of("call_1") == ""


def test_a_session_that_did_not_ask_is_told_of_the_call_first() -> None:
    calls = Calls()
    calls.tools.start(CALL, Response("answer"))
    calls.tools.session_lost()
    assert calls.tools.causes == []
    running = calls.tools.finish("call_1")
    assert running is not None
    assert calls.tools.tell(running, tool_finished("call_1")) == "cb_item_2"
    assert calls.sent == [
        commands.CreateItem(item=commands.FunctionCall("cb_item_1", "call_1", "look_up", '{"day":1}')),
        commands.CreateItem(item=commands.FunctionCallOutput("cb_item_2", "call_1", "yes")),
    ]


def test_what_is_forgotten_is_not_waited_for() -> None:
    calls = Calls()
    calls.tools.start(CALL, None)
    calls.tools.forget()
    assert len(calls.tools) == 0
    assert calls.tools.finish("call_1") is None


def test_a_session_that_waits_for_a_tool_is_not_left_for_the_next_stream() -> None:
    """It would wait for ever: the tool goes with the stream, and the next session asks for it anew."""
    book = answering(greeted())
    rig = book.rig
    rig.feed(tool_call("answer", "call_1"))
    rig.feed(done("answer"))
    outputs = rig.feed(gone(a.Leg.PHONE, 1006))
    assert a.ParkModel() not in outputs
    assert a.CloseLeg(a.Leg.MODEL, 1000, "") in outputs
