"""After the end of a stream: its place is free at once, and the call stays a while for what is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

import memory_call as mc
from callbridge.agents.agent import Agent
from callbridge.call import events as e
from callbridge.call import facts
from callbridge.call.facts import EndReason
from callbridge.call.limits import Limits
from callbridge.call.outcomes import ToolOutcome
from callbridge.wire.realtime_commands import Transcription

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

_SESSION = mc.PLAN.session
_INPUT = msgspec.structs.replace(_SESSION.audio.input, transcription=Transcription("gpt-transcribe"))
_AUDIO = msgspec.structs.replace(_SESSION.audio, input=_INPUT)
HEARS_WORDS = replace(mc.PLAN, session=msgspec.structs.replace(_SESSION, audio=_AUDIO))

COMMITTED = {"type": "input_audio_buffer.committed", "item_id": "in_1"}
WORDS = {
    "type": "conversation.item.input_audio_transcription.completed",
    "item_id": "in_1",
    "transcript": "Are you open?",
}


@asynccontextmanager
async def lingering(linger_s: float = 60.0) -> AsyncIterator[tuple[mc.Rig, asyncio.Event]]:
    """The caller has asked something and hung up before its words came; and whether the place is free."""
    is_free = asyncio.Event()
    limits = Limits(linger_s=linger_s, words_timeout_s=60.0)
    async with mc.calling(plan=HEARS_WORDS, limits=limits, free=is_free.set) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        await rig.model.says(mc.SPEECH_STARTED, mc.SPEECH_STOPPED, COMMITTED)
        rig.phone.say(mc.STOP)
        yield rig, is_free


async def test_words_that_are_late_are_told_though_the_phone_is_gone() -> None:
    """Their leg goes with the last of them; an answer that begins meanwhile is cancelled."""
    async with lingering() as (rig, is_free):
        await is_free.wait()
        assert (rig.phone.closed, rig.model.closed) == ([(1000, "caller_hangup")], [])
        assert rig.facts[-1] is rig.ended
        rig.model.say(*mc.answer_begins("resp_2", "item_2"))
        assert (await rig.model.hears("response.cancel"))["response_id"] == "resp_2"
        rig.model.say(mc.audio_delta(b"\x01" * 160, "resp_2", "item_2"), WORDS)
        await rig.running
    assert rig.model.closed == [(1000, "")]
    _, came, closed = rig.facts[-3:]
    assert isinstance(came, facts.CallerWordsCame)
    assert (came.turn, came.caller) == (2, "Are you open?")
    assert isinstance(closed, facts.CallClosed)


async def waits_in_vain(rig: mc.Rig) -> None:
    """The bound comes."""


async def loses_its_model(rig: mc.Rig) -> None:
    rig.model.end(e.LegGone(e.Leg.MODEL, 1006))


async def is_stopped(rig: mc.Rig) -> None:
    rig.bridge.stop()


async def is_cancelled(rig: mc.Rig) -> None:
    rig.running.cancel()


@pytest.mark.parametrize("happens", [waits_in_vain, loses_its_model, is_stopped, is_cancelled])
async def test_a_call_that_waits_for_words_leaves_all_the_same(happens: Any) -> None:
    """One end is recorded, and nothing of the call is left."""
    before = asyncio.all_tasks()
    async with lingering(0.01 if happens is waits_in_vain else 60.0) as (rig, is_free):
        await is_free.wait()
        await happens(rig)
        await asyncio.wait([rig.running])
        assert asyncio.all_tasks() - before <= {rig.running}
    assert rig.ended.reason is EndReason.CALLER_HANGUP
    assert [len(rig.phone.closed), len(rig.model.closed)] == [1, 1]
    assert isinstance(rig.facts[-1], facts.CallClosed)


@pytest.mark.parametrize("finishes_in_time", [True, False])
async def test_a_tool_that_runs_at_the_end_may_finish(*, finishes_in_time: bool) -> None:
    """Its result is remembered, for another stream of the call. One that takes too long is cancelled."""
    agent, may_finish = Agent(), asyncio.Event()

    @agent.tool
    async def book_a_table() -> str:
        """Book a table."""
        await may_finish.wait()
        return "booked"

    is_free = asyncio.Event()
    limits = Limits(linger_s=60.0 if finishes_in_time else 0.01)
    async with mc.calling(agent, limits=limits, free=is_free.set) as rig:
        await rig.goes_live()
        await rig.model.says(*mc.answer_begins("resp_1", "item_1"), mc.tool_call("book_a_table"))
        rig.phone.say(mc.STOP)
        await is_free.wait()
        assert [len(rig.phone.closed), len(rig.model.closed)] == [1, 1] or not finishes_in_time
        if finishes_in_time:
            may_finish.set()
        await rig.running
    used = [fact.outcome for fact in rig.facts if isinstance(fact, facts.ToolUsed)]
    assert used == [ToolOutcome.ANSWERED if finishes_in_time else ToolOutcome.CANCELLED]
    assert isinstance(rig.facts[-1], facts.CallClosed)


async def test_a_call_that_lingers_dials_no_model() -> None:
    """A dial that was under way at the end is given up: nobody would speak in that session."""
    agent = Agent()

    @agent.tool
    async def forever() -> None:
        """Wait."""
        await asyncio.Event().wait()

    is_free = asyncio.Event()
    async with mc.calling(agent, free=is_free.set) as rig:
        await rig.goes_live()
        await rig.model.says(*mc.answer_begins("resp_1", "item_1"), mc.tool_call("forever"))
        rig.dialer.picks_up.clear()
        rig.model.end(e.LegGone(e.Leg.MODEL, 1006))
        await rig.dialer.rings(2)
        rig.phone.say(mc.STOP)
        await is_free.wait()
        assert rig.dialer.was_cancelled
        rig.bridge.stop()
        await rig.running
