"""A call that is over is looked at by a text model, and its promises are held against what was done."""

from __future__ import annotations

import contextlib
import json
import random
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from callbridge import Agent, Analysis
from callbridge.call.facts import CallClosed
from callbridge.records.database import Database
from callbridge.records.reading import Records
from callbridge.simulators.phone import Say, WaitForAgent, WaitForEnd
from callbridge.simulators.text_model import Says, TextModel, serve_text_model
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import API_KEY, hello_and_goodbye, stack
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.stack import Log

pytest.importorskip("openai", reason="needs pip install 'callbridge[analysis]'")

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RNG = random.Random("analysis")
WELCOME = Answer(say=(Speech(text="Welcome.", audio=noise(RNG, 200)),))
BOOKS = Answer(calls=(Call(name="book"),), caller="A table at eight, please.")
PROMISES = Answer(
    say=(Speech(text="It is booked. I will call you back tomorrow.", audio=noise(RNG, 300)),),
    calls=(Call(name="end_call"),),
)
FOUND: dict[str, object] = {
    "summary": "They booked a table.",
    "intent": "a table",
    "sentiment": 0.8,
    "lead_score": 90,
    "outcome": "resolved",
    "follow_ups": ["Call back"],
    "promises": [
        {"words": "It is booked.", "what": "a table", "tool": "book"},
        {"words": "I will call you back tomorrow", "what": "a call", "tool": None},
        {"words": "You get a discount", "what": "a discount", "tool": None},
    ],
    "custom": {"guests": 2},
}


class Table(BaseModel):
    """What they want."""

    guests: int


@pytest.mark.heavy
async def test_what_was_promised_is_held_against_what_was_done(log: Log, tmp_path: Path) -> None:
    agent = Agent(analysis=Analysis(instructions="Tables count.", fields=Table))

    @agent.tool
    def book() -> str:
        """Book it."""
        return "booked"

    model = TextModel(key=API_KEY)
    model.will(Says(FOUND))
    async with serve_text_model(model) as text_model:
        environment = {
            "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
            "CALLBRIDGE_KEEP_WORDS": "true",
            "CALLBRIDGE_ANALYSIS_MODEL": "gpt-5-mini",
            "CALLBRIDGE_ANALYSIS_URL": text_model.base_url,
            "CALLBRIDGE_ANALYSIS_SECONDS_MIN": "0",
        }
        script = Script(answers=(WELCOME, BOOKS, PROMISES), after_ms=20)
        async with stack(script, agent=agent, environment=environment) as running:
            call = await running.call([WaitForAgent(quiet_ms=100), Say(noise(RNG, 300)), WaitForEnd()])
            assert await until(lambda: bool(call.of(CallClosed)))
            assert await until(lambda: bool(log.events("call_analysed", call.sid)))
    with contextlib.closing(Database(f"sqlite:///{tmp_path}/records.db")) as database:
        story = Records(database).story(call.sid)
    assert story is not None
    found = json.loads(story.analysis)
    assert (found["summary"], found["custom"]) == (FOUND["summary"], {"guests": 2})
    assert [(promise["what"], promise["verdict"]) for promise in found["promises"]] == [
        ("a table", "done"),
        ("a call", "no_tool"),
    ]
    asked = json.dumps(model.taken)
    assert "A table at eight" in asked
    assert "Tables count." in asked
    assert "booked a table" not in log.text


async def test_a_call_that_nobody_may_read_is_read_by_nobody(log: Log, tmp_path: Path) -> None:
    """Without words on record there is nothing to be found; that is said at the start."""
    environment = {
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
        "CALLBRIDGE_ANALYSIS_MODEL": "gpt-5-mini",
    }
    async with stack(hello_and_goodbye(200), environment=environment):
        (said,) = log.events("calls_not_analysed")
    assert said["reason"] == "no words are kept"
