"""Callers who call again: cut off in mid-call, or a day later; and one who wants to be forgotten."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.context import Call
from callbridge.call.facts import CallClosed, StreamStarted
from callbridge.cli.forget import forget_caller
from callbridge.server.process import recalling
from callbridge.simulators.phone import HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Call as ToolCall
from callbridge.simulators.voice_model import Say as Speech
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import Retention
from e2e.stack import stack
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.simulators.phone import Step
    from callbridge.simulators.voice_model import Journal
    from e2e.stack import FinishedCall, Log, Stack

pytestmark = pytest.mark.usefixtures("nothing_left")

DAY_S = 24 * 3600.0
RNG = random.Random("callers return")
NUMBER = "+447700900123"
WISH, ANSWER = "I want the blue bicycle.", "The blue one it is."
CHOSEN = "The caller has chosen blue."


def says(text: str, *calls: ToolCall, caller: str = "") -> Answer:
    return Answer(say=(Speech(text=text, audio=noise(RNG, 200)),), calls=calls, caller=caller)


ORDER = Script(
    answers=(
        says("Welcome."),
        Answer(calls=(ToolCall(name="choose", arguments={"colour": "blue"}),), caller=WISH),
        says(ANSWER),
    ),
    after_ms=20,
)
ASKS: list[Step] = [
    WaitForAgent(quiet_ms=100),
    Say(noise(RNG, 300)),
    WaitForAgent(quiet_ms=100),
    HangUp(),
]
LISTENS: list[Step] = [WaitForAgent(quiet_ms=100), HangUp()]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is slow for a moment does not make a stranger of a caller."""
    monkeypatch.setattr(recalling, "RECALL_S", 10.0)


@dataclass
class Clock:
    """The wall clock of the service and its state."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


def shop(seen: list[Call], *, summarises: bool) -> Agent:
    """Notes in its values what is chosen, and in `seen` every call that it greets."""

    def summary(call: Call) -> str:
        return f"The caller has chosen {call.values['colour']}."

    def greeting(call: Call) -> str:
        seen.append(call)
        return "Bicycles, hello!"

    agent = Agent(greeting=greeting, summarise=summary if summarises else None)

    @agent.tool
    async def choose(colour: str, call: Call) -> str:
        """The caller has chosen a colour."""
        call.values["colour"] = colour
        return "noted"

    return agent


@contextlib.asynccontextmanager
async def shop_open(folder: Path, clock: Clock, agent: Agent) -> AsyncIterator[Stack]:
    """The shop with a state file in `folder`, whose callers are remembered for 30 days."""
    path = folder / "state.db"
    given = {"CALLBRIDGE_CALLER_MEMORY_DAYS": "30", "CALLBRIDGE_STATE_PATH": str(path)}
    state = SqliteState(path, clock, Retention(callers_s=30 * DAY_S))
    async with stack(ORDER, agent=agent, state=state, wall_clock=clock, environment=given) as running:
        yield running


async def called(running: Stack, steps: list[Step]) -> tuple[FinishedCall, Journal]:
    """One whole call, until nothing of it is left; and what the model saw of it."""
    call = await running.call(steps, from_number=NUMBER)
    assert await until(lambda: bool(call.of(CallClosed)))
    return call, running.model.sessions[-1]


def line_with(session: Journal, text: str) -> list[int]:
    """Where it stands in what the model remembers."""
    return [place for place, line in enumerate(session.memory) if text in line]


def text_in(folder: Path) -> bytes:
    """The bytes of all files."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_caller_who_was_cut_off_goes_on_where_they_were(tmp_path: Path) -> None:
    """With what was said, and the agent's own state."""
    clock, seen = Clock(), list[Call]()
    async with shop_open(tmp_path, clock, shop(seen, summarises=False)) as running:
        await called(running, ASKS)
        clock.ahead_s = 590.0
        again, session = await called(running, LISTENS)
    first, back = seen
    assert first.earlier is None
    assert back.earlier is not None
    assert back.earlier.goes_on
    assert WISH in back.earlier.summary
    assert back.values == {"colour": "blue"}
    assert [line.text for line in back.transcript][1:3] == [WISH, ANSWER]
    places = [place for text in (WISH, ANSWER, "called again") for place in line_with(session, text)]
    assert len(places) == 3
    assert places == sorted(places)
    assert [fact.is_continued for fact in again.of(StreamStarted)] == [True]


@pytest.mark.heavy
async def test_a_caller_who_calls_a_day_later_is_known_until_they_are_forgotten(
    tmp_path: Path, log: Log
) -> None:
    """By the shop's summary, as data, and the agent's values; the call itself is a new one."""
    clock, seen = Clock(), list[Call]()
    async with shop_open(tmp_path, clock, shop(seen, summarises=True)) as running:
        await called(running, ASKS)
        assert await until(lambda: CHOSEN.encode() in text_in(tmp_path))
        clock.ahead_s = DAY_S
        later, session = await called(running, LISTENS)
        assert NUMBER[1:].encode() not in text_in(tmp_path)
        assert CHOSEN.encode() in text_in(tmp_path)
        # What is dropped of a call in the moment behind it the service overwrites within two minutes.
        assert await running.desk.state.flush()
        said, _ = forget_caller(running.settings, "+44 7700 900123")
        # The later call has been told of it, and its own words go when Twilio says that it is over.
        assert await until(lambda: CHOSEN.encode() not in text_in(tmp_path))
        assert await until(lambda: WISH.encode() not in text_in(tmp_path))
        _, unknowing = await called(running, LISTENS)
    _, known, unknown = seen
    assert known.earlier is not None
    assert (known.earlier.summary, known.earlier.goes_on) == (CHOSEN, False)
    assert (known.earlier.values, known.values) == ({"colour": "blue"}, {})
    assert CHOSEN in session.session["instructions"]
    assert line_with(session, WISH) == []
    assert [fact.is_continued for fact in later.of(StreamStarted)] == [False]
    assert "  1 record of what agents remember, and texts" in said.splitlines()
    assert unknown.earlier is None
    assert CHOSEN not in unknowing.session["instructions"]
    assert [line["goes_on"] for line in log.events("caller_recalled")] == [False]
    assert CHOSEN not in log.text
