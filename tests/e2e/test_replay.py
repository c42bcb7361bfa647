"""A call over real sockets is taped while it runs, and played again without a difference."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import Interrupted, KeysPressed, SessionReplaced, ToolUsed
from callbridge.records.database import Database
from callbridge.records.replaying import Replayed, play, read
from callbridge.records.tapes import TapeStore
from callbridge.simulators.phone import CallerScript, HangUp, Interrupt, Press, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Fault, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import FinishedCall, hello_and_goodbye, stack
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from callbridge.simulators.phone import Step

pytestmark = pytest.mark.usefixtures("nothing_left")

NUMBERS = ("+15550123456", "+15550654321")


async def look_up(word: str) -> dict[str, str]:
    """Looks a word up."""
    return {word: "rye"}


async def place(script: Script, steps: Sequence[Step], folder: Path) -> tuple[FinishedCall, list[bytes]]:
    """One call; and its tape, as lines."""
    url = f"sqlite:///{folder}/records.db"
    given = {"DATABASE_URL": url, "CALLBRIDGE_REPLAY_SHARE": "1", "CALLBRIDGE_KEEP_WORDS": "true"}
    agent = Agent(
        instructions=lambda call: f"They ring from {call.caller.number}.",
        greeting_interruptible=True,
        tools=[look_up],
    )
    async with stack(script, agent=agent, environment=given) as running:
        line = {"from_number": NUMBERS[0], "to_number": NUMBERS[1]}
        call = await running.call(CallerScript([*steps]), **line)
    with contextlib.closing(Database(url)) as database:
        return call, [*TapeStore(database).lines(call.sid)]


def the_one(lines: list[bytes]) -> Replayed:
    (stream,) = map(play, read(lines))
    return stream


async def test_a_call_is_taped_and_played_again(tmp_path: Path) -> None:
    """Nobody's number, nor the token of its stream, is on the tape, whoever spoke of it."""
    call, lines = await place(hello_and_goodbye(200), [WaitForEnd()], tmp_path)
    stream = the_one(lines)
    assert (stream.call_sid, stream.differences, stream.is_whole) == (call.sid, (), True)
    assert stream.events > 10
    tape = b"".join(lines)
    assert b"Hello, goodbye." in tape
    assert b"They ring from +xxxxxxxxxxx." in tape
    for private in (*NUMBERS, *(value for _, value in call.stream.identity.parameters)):
        assert private.encode() not in tape


@pytest.mark.heavy
async def test_a_call_in_which_much_happens_is_played_again(tmp_path: Path) -> None:
    """A greeting that is interrupted, a tool, a session that is lost in mid-word, keys."""
    rng = random.Random(5)

    def says(duration_ms: int) -> tuple[Speech, ...]:
        return (Speech(text="Words of an agent.", audio=noise(rng, duration_ms)),)

    asks = Call(name="look_up", arguments={"word": "bread"})
    script = Script(
        answers=(
            Answer(say=says(1500)),
            Answer(say=says(200), calls=(asks,), caller="Bread?"),
            Answer(say=says(600), after_call=True, faults=(Fault(kind="abort", at=200),)),
        ),
        default=Answer(say=says(300)),
        after_ms=20,
    )
    steps = (
        *(Interrupt(300, noise(rng, 300)), WaitForAgent(quiet_ms=700), Press("12#")),
        *(WaitForAgent(quiet_ms=200), HangUp()),
    )
    call, lines = await place(script, steps, tmp_path)
    for kind in (Interrupted, ToolUsed, SessionReplaced, KeysPressed):
        assert call.of(kind), kind
    stream = the_one(lines)
    assert (stream.differences, stream.is_whole) == ((), True)
    assert stream.events > 100
