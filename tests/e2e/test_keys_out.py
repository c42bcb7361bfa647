"""An agent finds its way through a telephone menu, over real sockets: the menu understands its keys."""

from __future__ import annotations

import random

import pytest

from callbridge import Agent
from callbridge.simulators.phone import CallerScript, HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import stack
from random_calls import noise

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_a_menu_hears_the_keys_that_the_model_presses_and_no_words_about_them() -> None:
    rng = random.Random(11)
    agent = Agent(greeting="Hello.", can_hang_up=False, can_press_keys=True)
    press = Call(name="press_keys", arguments={"keys": "7#"})
    script = Script(
        answers=(
            Answer(say=(Speech(text="Hello.", audio=noise(rng, 100)),)),
            Answer(calls=(press,), caller="For sales press seven."),
            Answer(say=(Speech(text="I have pressed it.", audio=noise(rng, 100)),), after_call=True),
        ),
        after_ms=20,
    )
    menu = CallerScript([WaitForAgent(60), Say(noise(rng, 120)), WaitForAgent(150), HangUp()])
    async with stack(script, agent=agent) as running:
        call = await running.call(menu)
    (stream,) = call.report.streams
    assert (stream.keys_heard, call.report.is_clean) == ("7#", True), call.report
    assert call.journal.refusals == []
    assert len(call.journal.responses) == 2, "the greeting, and the one that pressed"
