"""What a tool can do to a call, its process and its caller: nothing. Tools that fail: the fault matrix."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
from dataclasses import dataclass

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import CallClosed, EndReason, ToolUsed
from callbridge.call.limits import Limits
from callbridge.call.outcomes import ToolOutcome
from callbridge.server.process.live_calls import LiveCalls
from callbridge.simulators.phone import Act, Departure, Ear, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, stack
from leftovers import until
from random_calls import noise

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

DEADLINE_S = 5.0


async def test_a_tool_that_blocks_does_not_stop_the_audio() -> None:
    """A plain function runs beside the loop: the agent's words and the caller's frames go on meanwhile."""
    loop, has_passed = asyncio.get_running_loop(), threading.Event()
    searched: list[float] = []

    def look_in_the_cellar() -> str:
        """Looks in the cellar, without any async, until the loop says that it has looked for long enough."""
        searched.append(loop.time())
        loop.call_soon_threadsafe(loop.call_later, 0.3, has_passed.set)
        found = has_passed.wait(DEADLINE_S)
        searched.append(loop.time())
        return "potatoes" if found else "nothing, and the loop stands still"

    async with stack(
        _script(Call(name="look_in_the_cellar"), first_ms=900), agent=Agent(tools=[look_in_the_cellar])
    ) as running:
        call = await running.call([WaitForEnd()])
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED), call.ended
    assert call.report.is_clean, call.report
    assert call.journal.refusals == []
    assert [item.was_heard_to_its_end for item in call.heard()] == [True, True]
    items = [item for item in call.journal.items.values() if item.type == "function_call_output"]
    assert items[0].fields["output"] == "potatoes"
    (used,) = [tool for tool in call.of(ToolUsed) if tool.name == "look_in_the_cellar"]
    assert used.duration_ms >= 200
    began_at, ended_at = searched
    assert sum(began_at < at < ended_at for at in call.stream.frames_sent_at) >= 5
    assert call.ended.frames_dropped == 0


async def test_a_tool_that_wants_to_end_the_process_ends_nothing() -> None:
    """argparse, given the model's words, raises SystemExit: the call goes on to its goodbye."""

    async def track(parcel: str) -> str:
        """Tracks a parcel.

        Args:
            parcel: Its number.
        """
        parser = argparse.ArgumentParser(prog="track")
        parser.add_argument("number", type=int)
        return str(parser.parse_args([parcel]).number)

    called = Call(name="track", arguments={"parcel": "--please"})
    async with stack(_script(called, first_ms=300), agent=Agent(tools=[track])) as running:
        call = await running.call([WaitForEnd()])
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED), call.ended
    items = [item for item in call.journal.items.values() if item.type == "function_call_output"]
    assert json.loads(items[0].fields["output"]) == {"error": "the tool failed: SystemExit"}
    assert [used.outcome for used in call.of(ToolUsed)] == [ToolOutcome.FAILED, ToolOutcome.ANSWERED]


async def test_what_a_tool_has_begun_it_finishes_after_the_caller_has_hung_up() -> None:
    """Charged and not booked is the worst of all: the second half comes when nobody listens any more."""
    has_charged, done = asyncio.Event(), list[str]()

    async def order() -> str:
        """Orders it."""
        done.append("charged")
        has_charged.set()
        await asyncio.sleep(0.5)
        done.append("booked")
        return "ordered"

    async with stack(_script(Call(name="order"), first_ms=300), agent=Agent(tools=[order])) as running:
        call = await running.call(Leaves(has_charged))
        closed = await until(lambda: bool(call.of(CallClosed)))
    assert closed, call.facts
    assert call.ended.reason is EndReason.CALLER_HANGUP
    assert done == ["charged", "booked"]
    assert [used.outcome for used in call.of(ToolUsed)] == [ToolOutcome.ANSWERED]
    assert [fact.kind for fact in call.facts[-4:]] == [
        *("stream_ended", "remembered", "tool_used", "call_closed"),
    ]


async def test_a_call_that_is_handed_over_in_the_middle_of_a_tool_does_not_do_it_twice() -> None:
    """The next session is told that it was started. It asks for it all the same, and that is refused."""
    has_begun, runs, live_calls = asyncio.Event(), list[str](), LiveCalls()
    agent = Agent()

    @agent.tool(irreversible=True)
    async def pay() -> str:
        """Pays."""
        runs.append("begun")
        has_begun.set()
        await asyncio.sleep(1.5)
        runs.append("paid")
        return "paid"

    async def hand_over() -> None:
        await has_begun.wait()
        (call_sid,) = running.facts.keys() - {""}
        live = live_calls.find(call_sid)
        assert live is not None
        live.hand_over()

    script = _script(Call(name="pay"), first_ms=300)
    limits = Limits(hand_over_timeout_s=0.3)
    async with stack(script, agent=agent, limits=limits, live_calls=live_calls) as running:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hand_over())
            call = await running.call([WaitForEnd()])
        assert await until(lambda: runs == ["begun", "paid"])
        second = running.model.sessions[-1]
    assert call.verbs == ["Connect/Stream", *CONNECTED_AND_ENDED]
    outputs = [item.fields["output"] for item in second.items.values() if item.type == "function_call_output"]
    assert "It was started, and then the connection broke off" in outputs[0]
    assert "the tool was not run again" in outputs[1]
    assert runs == ["begun", "paid"]


@dataclass
class Leaves:
    """A caller who hangs up when something has happened."""

    happened: asyncio.Event
    complaints: tuple[str, ...] = ()

    def next_frame(self, ear: Ear) -> Act:  # noqa: ARG002  # As every caller's.
        return Act(departure=Departure.HANG_UP) if self.happened.is_set() else Act()

    @property
    def is_done(self) -> bool:
        return self.happened.is_set()


def _script(called: Call, first_ms: int) -> Script:
    rng = random.Random(str(called))
    first = Speech(text="One moment.", audio=noise(rng, first_ms))
    last = Speech(text="There you are. Goodbye.", audio=noise(rng, 300))
    goodbye = Answer(say=(last,), calls=(Call(name="end_call"),))
    return Script(answers=(Answer(say=(first,), calls=(called,)),), default=goodbye, after_ms=20)
