"""A call that comes to its bounds over real sockets: it ends in words, whoever can still say them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from callbridge.call.facts import EndReason
from callbridge.call.limits import Limits
from callbridge.server.config.say import words
from callbridge.simulators.phone import HangUp, Pause, Press, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, ConnectFault, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.state.memory_state import MemoryState
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_LEFT, CONNECTED_AND_SORRY, UNDIALLED, stack
from leftovers import leaves_nothing
from random_calls import noise

if TYPE_CHECKING:
    from e2e.stack import Log

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
        goodbye = words(running.settings, "goodbye").text
    assert (call.ended.reason, call.verbs) == (EndReason.LIMIT_DURATION, CONNECTED_AND_SORRY)
    assert call.report.verbs[1].detail == goodbye


# --- Limits of a caller, and of what all calls cost -----------------------------------------------------


async def test_a_caller_over_their_own_limit_hears_a_word_and_no_human_is_rung() -> None:
    """Another user name of the same SIP host is the same caller. A switchboard is not limited by it."""
    environment = {
        "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "1",
        "CALLBRIDGE_CALLS_PER_CALLER_OF": "+14155550111=2",
        "CALLBRIDGE_FALLBACK_DIAL": "+14155550123",
        "CALLBRIDGE_CALLER_LIMIT_MESSAGE": "Please call later.",
    }
    callers = ("sip:alice@pbx.example", "sip:bob@pbx.example:5060", "+14155550111", "+14155550111")
    async with stack(Script(default=GOODBYE, after_ms=20), environment=environment) as running:
        calls = [await running.call([HangUp()], from_number=caller) for caller in callers]
    assert [call.verbs for call in calls] == [
        CONNECTED_AND_LEFT,
        ["Say", "Hangup"],
        CONNECTED_AND_LEFT,
        CONNECTED_AND_LEFT,
    ]
    assert calls[1].report.verbs[0].detail == "Please call later."


async def test_a_live_call_is_ended_in_words_when_a_fifth_more_than_the_cap_was_spent(log: Log) -> None:
    """It was taken just below the cap, and its greeting is dear. The next one is declined."""
    state = MemoryState(time.time)
    state.note_spend(time.time(), 9_999)
    long_words = "Hello, you are speaking with the agent of a test. " * 100
    environment = {"CALLBRIDGE_SPEND_PER_HOUR_MAX": "0.01", "CALLBRIDGE_AGENT_GREETING": long_words}
    async with stack(Script(default=GOODBYE, after_ms=20), state=state, environment=environment) as running:
        call = await running.call([WaitForEnd()])
        declined = await running.call([WaitForEnd()])
    assert (call.ended.reason, call.verbs) == (EndReason.LIMIT_SPEND_TOTAL, CONNECTED_AND_ENDED)
    greeting, goodbye = call.heard()
    assert greeting.was_heard_to_its_end
    assert goodbye.was_heard_to_its_end
    assert declined.verbs == ["Say", "Hangup"]
    assert [line["follows"] for line in log.events("spend_cap_reached")] == ["live calls end"]
    assert [line["reason"] for line in log.events("call_declined")] == ["spend"]


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
