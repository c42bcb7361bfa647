"""What a tool can do to a call: the audio never waits for it. Tools that fail: the fault matrix."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import EndReason, ToolUsed
from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, stack
from random_calls import noise

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")


async def test_a_tool_that_blocks_does_not_stop_the_audio() -> None:
    """A plain function runs beside the loop: the agent's words and the caller's frames go on meanwhile."""
    may_go_on = threading.Event()

    def look_in_the_cellar() -> str:
        """Looks in the cellar, without any async."""
        may_go_on.wait(timeout=5)
        return "potatoes"

    async with stack(
        _script(Call(name="look_in_the_cellar"), first_ms=900), agent=Agent(tools=[look_in_the_cellar])
    ) as running:
        loop = asyncio.get_running_loop()
        loop.call_later(0.7, may_go_on.set)
        call = await running.call([WaitForEnd()])
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED), call.ended
    assert call.report.is_clean, call.report
    assert call.journal.refusals == []
    assert [item.was_heard_to_its_end for item in call.heard()] == [True, True]
    items = [item for item in call.journal.items.values() if item.type == "function_call_output"]
    assert items[0].fields["output"] == "potatoes"
    (used,) = [tool for tool in call.of(ToolUsed) if tool.name == "look_in_the_cellar"]
    assert used.duration_ms >= 200
    frames = call.stream.frames_sent_at
    assert max(after - before for before, after in itertools.pairwise(frames)) < 0.4
    assert call.ended.frames_dropped == 0


def _script(called: Call, first_ms: int) -> Script:
    rng = random.Random(str(called))
    first = Speech(text="One moment.", audio=noise(rng, first_ms))
    last = Speech(text="There you are. Goodbye.", audio=noise(rng, 300))
    goodbye = Answer(say=(last,), calls=(Call(name="end_call"),))
    return Script(answers=(Answer(say=(first,), calls=(called,)),), default=goodbye, after_ms=20)
