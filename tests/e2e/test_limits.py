"""A call that comes to its bounds over real sockets: it ends in words, whoever can still say them."""

from __future__ import annotations

import random

import pytest

from callbridge.call.facts import EndReason
from callbridge.call.limits import Limits
from callbridge.simulators.phone import HangUp, Pause, Press, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, ConnectFault, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_SORRY, UNDIALLED, stack
from leftovers import leaves_nothing
from random_calls import noise

pytestmark = pytest.mark.usefixtures("nothing_left")

RNG = random.Random(41)
GOODBYE = Answer(say=(Speech(text="This call has to end now. Goodbye.", audio=noise(RNG, 500)),))

# --- A limit that is reached while connecting ---------------------------------------------------------

TOO_OLD = Limits(call_length_max_s=0.0, dial_timeout_s=0.6, dial_tries_max=1)
"""Its limit is reached before there can be a session."""


async def test_a_limit_that_is_reached_while_connecting_is_said_by_the_agent() -> None:
    """In the first session that there is, and nothing else is said in it."""
    script = Script(default=GOODBYE, after_ms=20)
    async with stack(script, limits=TOO_OLD, environment=UNDIALLED) as running, leaves_nothing():
        call = await running.call([WaitForEnd()])
    assert (call.ended.reason, call.verbs) == (EndReason.LIMIT_DURATION, CONNECTED_AND_ENDED)
    (goodbye,) = call.heard()
    assert goodbye.was_heard_to_its_end


async def test_a_limit_for_which_there_is_no_session_is_said_by_twilio() -> None:
    """Never a hang-up without a word, and no human is rung: the call was to end anyway."""
    script = Script(default=GOODBYE, connect=(ConnectFault(kind="hang"),))
    async with stack(script, limits=TOO_OLD, environment=UNDIALLED) as running, leaves_nothing():
        call = await running.call([WaitForEnd()])
        goodbye = running.settings.goodbye
    assert (call.ended.reason, call.verbs) == (EndReason.LIMIT_DURATION, CONNECTED_AND_SORRY)
    assert call.report.verbs[1].detail == goodbye


# --- Keys without end -----------------------------------------------------------------------------------

ANSWER = Answer(say=(Speech(text="Yes.", audio=noise(RNG, 200)),))


@pytest.mark.heavy
async def test_keys_that_are_pressed_ten_times_a_second_are_answered_now_and_then() -> None:
    """The hash alone never is. With a digit before it there is one answer in two seconds."""
    script = Script(default=ANSWER, after_ms=20)
    async with stack(script) as running, leaves_nothing():
        flood = (Press("#" * 20, every_ms=100), Press("1#" * 20, every_ms=100))
        call = await running.call([WaitForAgent(quiet_ms=100), *flood, Pause(2200), HangUp()])
        journal = call.journal
    assert call.ended.reason is EndReason.CALLER_HANGUP
    told = [item.content[0]["text"] for item in journal.items.values() if item.role == "user"]
    assert told[0] == "[The caller pressed 1 # on the telephone keypad.]"
    # At 0.1 s, 2.1 s and 4.1 s of the second flood, which lasts longer on a busy machine.
    assert 2 <= len(told) <= 4
    assert sum(text.count("1") for text in told) == 20, "a key was lost"
    assert len(journal.responses) == 1 + len(told), "the greeting, and one answer to each message"
    assert {refusal.code for refusal in journal.refusals} <= {"response_cancel_not_active"}
