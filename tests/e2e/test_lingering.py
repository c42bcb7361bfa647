"""Words that come when the caller has hung up: told and kept, while the place of the call is free already."""

from __future__ import annotations

import random

import pytest

from callbridge.call.bill_facts import Billed
from callbridge.call.facts import CallClosed, CallerWordsCame, EndReason, StreamEnded, TurnEnded
from callbridge.server.process.live_calls import LiveCalls
from callbridge.simulators.phone import HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.state.memory_state import MemoryState
from callbridge.state.state import DETAILS, OVER
from e2e.stack import Log, stack
from leftovers import until
from random_calls import noise

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.heavy
async def test_words_that_come_after_the_hang_up_are_told(log: Log) -> None:
    """Two seconds after the question, when the answer was heard and the phone is gone. They are told, and not
    kept: the call is over.
    """
    rng = random.Random("late words")
    welcome = Answer(say=(Speech(text="Welcome.", audio=noise(rng, 300)),))
    late = Answer(
        say=(Speech(text="We do.", audio=noise(rng, 300)),),
        caller="Do you have bread?",
        transcript_after_ms=2000,
    )
    live_calls, state = LiveCalls(), MemoryState()
    counted: list[int] = []
    live_calls.watch(counted.append)
    async with stack(
        Script(answers=(welcome, late), after_ms=20), live_calls=live_calls, state=state
    ) as running:
        call = await running.call(
            [WaitForAgent(quiet_ms=100), Say(noise(rng, 300)), WaitForAgent(quiet_ms=100), HangUp()]
        )
        assert await until(lambda: counted == [1, 0])
        assert call.of(CallerWordsCame) == []
        assert await until(lambda: bool(call.of(CallClosed)))
        kinds = {event.kind for event in await state.events(call.sid)}
    assert call.ended.reason is EndReason.CALLER_HANGUP
    assert [turn.caller for turn in call.of(TurnEnded)] == [None, None]
    told = [type(fact) for fact in call.facts if not isinstance(fact, Billed)]
    assert told[-3:] == [StreamEnded, CallerWordsCame, CallClosed]
    assert [fact.caller for fact in call.of(CallerWordsCame)] == ["Do you have bread?"]
    assert OVER in kinds
    assert not kinds & DETAILS
    assert call.journal.refusals == []
    assert [line["turn"] for line in log.events("caller_words_came", call.sid)] == [2]
