"""The tools of a call with I/O: what is on disk before they run, and what becomes of them at its end."""

from __future__ import annotations

import asyncio

import pytest
import structlog

import memory_call as mc
from callbridge.agents.agent import Agent
from callbridge.call import facts
from callbridge.call.limits import Limits
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome


def used(rig: mc.Rig) -> list[ToolOutcome]:
    """How the tools of the call have ended."""
    return [fact.outcome for fact in rig.facts if isinstance(fact, facts.ToolUsed)]


def begun(rig: mc.Rig) -> list[ToolStarted]:
    """What has begun in the call."""
    entries = [fact.entry for fact in rig.facts if isinstance(fact, facts.Remembered)]
    return [entry for entry in entries if isinstance(entry, ToolStarted)]


async def calls(rig: mc.Rig, name: str) -> None:
    """The agent asks for a tool in its first answer."""
    await rig.goes_live()
    rig.model.say(*mc.answer_begins("resp_1", "item_1"), mc.tool_call(name))


async def test_a_tool_runs_when_it_is_on_disk_that_it_begins() -> None:
    """A process that is killed in the middle of it leaves word."""
    agent, may_keep, is_asked, ran = Agent(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    @agent.tool
    async def book() -> str:
        """Book it."""
        ran.set()
        return "booked"

    async def kept() -> bool:
        is_asked.set()
        return await may_keep.wait()

    async with mc.calling(agent, kept=kept, limits=Limits(tool_kept_within_s=60.0)) as rig:
        await calls(rig, "book")
        await is_asked.wait()
        started = [fact.entry for fact in rig.facts if isinstance(fact, facts.Remembered)]
        assert started == [ToolStarted(1, "call_1", "book", "{}")]
        assert not ran.is_set()
        may_keep.set()
        assert (await rig.model.hears("conversation.item.create"))["item"]["output"] == "booked"
        await rig.hangs_up()
    assert used(rig) == [ToolOutcome.ANSWERED]


@pytest.mark.parametrize("is_irreversible", [False, True])
@pytest.mark.parametrize("disk", ["hangs", "is full"])
async def test_a_tool_does_not_wait_for_a_disk_that_takes_nothing(
    disk: str, *, is_irreversible: bool
) -> None:
    """It runs, with a warning; what cannot be undone does not."""
    agent = Agent()

    @agent.tool(irreversible=is_irreversible)
    def book() -> str:
        """Book it."""
        return "booked"

    async def kept() -> bool:
        if disk == "hangs" and not rig.running.done() and not rig.phone.closed:
            await asyncio.sleep(1.0)
        return False

    async with mc.calling(agent, kept=kept, limits=Limits(tool_kept_within_s=0.01)) as rig:
        with structlog.testing.capture_logs() as logs:
            await calls(rig, "book")
            output = (await rig.model.hears("conversation.item.create"))["item"]["output"]
        await rig.hangs_up()
    assert [line["tool"] for line in logs if line["event"] == "tool_start_not_kept"] == ["book"]
    assert [fact.what for fact in rig.facts if isinstance(fact, facts.NotKept)] == ["book", "end"]
    assert used(rig) == [ToolOutcome.REFUSED if is_irreversible else ToolOutcome.ANSWERED]
    assert ("was not run" in output) == is_irreversible


async def test_the_process_goes_on_when_a_tool_wants_to_end_it() -> None:
    """The audio of every other call depends on it."""
    agent = Agent()

    @agent.tool
    async def leave() -> None:
        """Leave."""
        raise SystemExit(0)

    async with mc.calling(agent) as rig:
        with structlog.testing.capture_logs():
            await calls(rig, "leave")
            output = (await rig.model.hears("conversation.item.create"))["item"]["output"]
        await rig.hangs_up()
    assert "the tool failed: SystemExit" in output
    assert used(rig) == [ToolOutcome.FAILED]


async def test_a_tool_that_is_cut_off_with_its_call_is_told_as_what_it_is() -> None:
    """Before the last fact: one that does not care for a caller who is gone, and one that hangs."""
    agent, begun, tidied = Agent(), asyncio.Event(), asyncio.Event()

    @agent.tool(when_caller_hangs_up="cancel")
    async def look_up() -> None:
        """Look it up."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            tidied.set()

    async with mc.calling(agent) as rig:
        await calls(rig, "look_up")
        await begun.wait()
        await rig.hangs_up()
    assert tidied.is_set()
    assert used(rig) == [ToolOutcome.CANCELLED]
    answered = [fact.entry for fact in rig.facts if isinstance(fact, facts.Remembered)][-1]
    assert isinstance(answered, ToolAnswered)
    assert "a part of it may have been done" in answered.output
    assert isinstance(rig.facts[-1], facts.CallClosed)


async def test_a_model_that_names_its_call_like_a_work_gets_its_answer_and_no_other() -> None:
    agent, may_end = Agent(), asyncio.Event()

    @agent.tool(answers="later")
    async def order() -> str:
        """Order it."""
        await may_end.wait()
        return "ordered"

    @agent.tool
    async def look_up() -> str:
        """Look it up."""
        may_end.set()
        return "found"

    async with mc.calling(agent) as rig:
        await calls(rig, "order")
        await rig.model.hears("conversation.item.create")
        (work,) = [entry.call_id for entry in begun(rig) if entry.is_ours]
        rig.model.say(mc.tool_call("look_up", work))
        outputs = [(await rig.model.hears("conversation.item.create"))["item"] for _ in range(2)]
        answers = {item.get("output") or item["content"][0]["text"] for item in outputs}
        assert {"found", "[order, which you began earlier, has ended. What came of it: ordered]"} == answers
        await rig.hangs_up()
    assert used(rig) == [ToolOutcome.ANSWERED] * 3
