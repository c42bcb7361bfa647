"""What a tool can do to a call: what goes wrong becomes words for the model, and the audio never waits."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import EndReason, ToolUsed
from callbridge.call.limits import Limits
from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, FinishedCall, Log, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

LIMITS = Limits(tool_timeout_s=0.4)


async def ask_the_oracle(question: str) -> str:
    """Answers a question, or raises."""
    raise RuntimeError(f"no oracle today for: {question}")


async def take_for_ever() -> str:
    """Takes longer than anybody waits."""
    await asyncio.Event().wait()
    return "never"


async def talk_at_length() -> str:
    """Says more than a model should read."""
    return "word " * 4000


async def answer_nonsense() -> object:
    """Answers with what has no JSON form."""
    return object()


async def try_another(word: str) -> str:
    """Looks a word up."""
    return word


CASES: list[tuple[Callable[..., Any], Call, str]] = [
    (
        ask_the_oracle,
        Call(name="ask_the_oracle", arguments={"question": "Will it rain?"}),
        "the tool failed: RuntimeError",
    ),
    (take_for_ever, Call(name="take_for_ever"), "the tool took longer than 0.4 s"),
    (talk_at_length, Call(name="talk_at_length"), "longer than 8192 bytes"),
    (answer_nonsense, Call(name="answer_nonsense"), "has no JSON form"),
    (try_another, Call(name="try_another", arguments={"word": 7}), "invalid arguments: word"),
    (try_another, Call(name="try_another", arguments={}), "invalid arguments: word: Field required"),
    (try_another, Call(name="try_another", raw_arguments='{"word": '), "invalid arguments"),
    (try_another, Call(name="order_a_taxi", even_if_not_offered=True), "there is no tool order_a_taxi"),
]


async def test_a_tool_that_fails_is_told_to_the_model(log: Log) -> None:
    """Raises, hangs, rambles, is asked wrongly, does not exist: the model reads why and the call goes on."""

    async def play(tool: Callable[..., Any], called: Call) -> FinishedCall:
        async with stack(_script(called), agent=Agent(tools=[tool]), limits=LIMITS) as running:
            return await running.call([WaitForEnd()])

    calls = await together(*(play(tool, called) for tool, called, _ in CASES))
    for (_, called, expected), call in zip(CASES, calls, strict=True):
        (output,) = outputs(call)
        assert expected in json.loads(output)["error"]
        assert_went_on(call)
        assert [used.name for used in call.of(ToolUsed)] == [called.name, "end_call"]
    (raised,) = log.events("tool_raised", calls[0].sid)
    assert (raised["tool"], raised["error"]) == ("ask_the_oracle", "RuntimeError")
    assert "test_faults_of_the_tools.py" in raised["where"]
    assert raised["stream_sid"] == calls[0].stream.identity.stream_sid
    assert "Will it rain?" not in log.text, "what a tool says may be about the caller"


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
    assert_went_on(call)
    assert outputs(call) == ["potatoes"]
    (used,) = [tool for tool in call.of(ToolUsed) if tool.name == "look_in_the_cellar"]
    assert used.duration_ms >= 200
    frames = call.stream.frames_sent_at
    assert max(after - before for before, after in itertools.pairwise(frames)) < 0.4
    assert call.ended.frames_dropped == 0


def outputs(call: FinishedCall) -> list[str]:
    """What the model was told of the tools, `end_call` left out."""
    items = [item for item in call.journal.items.values() if item.type == "function_call_output"]
    return [str(item.fields["output"]) for item in items if "call ends" not in item.fields["output"]]


def assert_went_on(call: FinishedCall) -> None:
    """The agent said its goodbye and hung up; nobody complained."""
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED), call.ended
    assert call.report.is_clean, call.report
    assert call.journal.refusals == []
    for item in call.heard():
        assert item.was_heard_to_its_end, item


def _script(*calls: Call, first_ms: int = 200) -> Script:
    rng = random.Random(str(calls))
    first = Speech(text="One moment.", audio=noise(rng, first_ms))
    last = Speech(text="There you are. Goodbye.", audio=noise(rng, 300))
    goodbye = Answer(say=(last,), calls=(Call(name="end_call"),))
    return Script(answers=(Answer(say=(first,), calls=calls),), default=goodbye, after_ms=20)
