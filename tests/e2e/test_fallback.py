"""What a caller gets whom the agent cannot serve, over real sockets and on a phone as strict as Twilio."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import EndReason, FallbackDialed, MenuAnswered, VoicemailLeft
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.simulators.phone import DialOutcome, Incoming, LineSettings
from callbridge.simulators.phone.caller import Press, WaitForEnd
from callbridge.simulators.voice_model import ConnectFault, Script
from callbridge.state.memory_state import MemoryState
from callbridge.switchboard.continuation import read_facts
from e2e.stack import stack
from leftovers import leaves_nothing

pytestmark = pytest.mark.usefixtures("nothing_left")

HUMAN, OURS = "+15550100077", "+15550100088"
FULL = {
    "CALLBRIDGE_FALLBACK_DIAL": HUMAN,
    "CALLBRIDGE_FALLBACK_CALLER_ID": OURS,
    "CALLBRIDGE_FALLBACK_VOICEMAIL": "true",
}

RUNG = ["Dial", "Hangup"]
LEFT_A_MESSAGE, SAID_NOTHING = ["Say", "Record", "Hangup"], ["Say", "Record", "Say", "Hangup"]

CALLS: tuple[tuple[dict[str, Any], LineSettings, list[str]], ...] = (
    ({}, LineSettings(), RUNG),
    ({"from_number": "anonymous"}, LineSettings(), RUNG),
    ({"from_number": "client:alice"}, LineSettings(), RUNG),
    ({"from_number": "sip:bob@example.com"}, LineSettings(), RUNG),
    (
        {"from_number": "sip:bob@example.com", "to_number": "sip:us@demo.sip.twilio.com"},
        LineSettings(verified_numbers=frozenset({OURS})),
        RUNG,
    ),
    ({}, LineSettings(dial_outcome=DialOutcome.DECLINED), ["Dial", *LEFT_A_MESSAGE]),
    ({}, LineSettings(dial_outcome=DialOutcome.NO_ANSWER, recording_s=0), ["Dial", *SAID_NOTHING]),
    ({"incoming": Incoming(forwarded_from=HUMAN)}, LineSettings(), LEFT_A_MESSAGE),
    ({"to_number": HUMAN}, LineSettings(recording_s=0), SAID_NOTHING),
)
"""Who calls, what happens on the line, and the verbs that the phone executes."""


async def test_every_caller_gets_a_human_or_may_leave_a_message() -> None:
    """Nothing that Twilio would complain of: no caller ID that it refuses, no call that leads back here."""
    live_calls, state = LiveCalls(), MemoryState(lambda: 0.0)
    drain = Drain(live_calls, 60.0)
    drain.signalled()  # No call is taken any more.
    async with (
        stack(Script(), environment=FULL, drain=drain, live_calls=live_calls, state=state) as running,
        leaves_nothing(),
    ):
        for placed, line, verbs in CALLS:
            call = await running.call([], line=line, **placed)
            assert (call.verbs, call.report.is_clean) == (verbs, True), (placed, call.report.warnings)
            noted = [fact for _, fact in read_facts(await state.events(call.sid))]
            if "Record" in verbs:
                left = [fact for fact in noted if isinstance(fact, VoicemailLeft)]
                assert all(fact.recording_sid.startswith("RE") for fact in left)
                told = "silent" if line.recording_s == 0 else "left"
                assert sorted(fact.status for fact in left) == ["completed", told]
            assert any(isinstance(fact, FallbackDialed) for fact in noted) == ("Dial" in verbs)


SALES = "+15550100078"
MENU = {
    "1": {"label": "sales", "dial": SALES},
    "2": {"label": "a message", "voicemail": True},
    "3": {"label": "our opening hours", "say": "We open at nine."},
}
MENU_HEARD = ["Connect/Stream", "Say", "Gather"]


async def test_while_the_model_is_dead_a_caller_presses_0_and_then_1() -> None:
    """And another one 0, then 3: each is led on by their keys, and nothing that Twilio would complain of."""
    dead = Script(connect=(ConnectFault(kind="refuse", status=503, until_s=60.0),))
    state = MemoryState(lambda: 0.0)
    async with (
        stack(
            dead,
            agent=Agent(person_key="0"),
            environment=FULL | {"CALLBRIDGE_FALLBACK_MENU": json.dumps(MENU)},
            state=state,
        ) as running,
        leaves_nothing(),
    ):
        for keys, verbs in (
            (("1",), [*MENU_HEARD, "Dial", "Hangup"]),
            (("3",), [*MENU_HEARD, "Say", "Say", "Gather", "Say", "Hangup"]),
        ):
            call = await running.call([Press("0"), WaitForEnd()], line=LineSettings(gather_inputs=keys))
            assert (call.verbs, call.report.is_clean) == (verbs, True), call.report.warnings
            assert call.ended.reason is EndReason.PERSON_WANTED
            noted = [fact for _, fact in read_facts(await state.events(call.sid))]
            assert [fact.keys for fact in noted if isinstance(fact, MenuAnswered)][:1] == [*keys]
            rung = [verb.detail for verb in call.report.verbs if verb.verb == "Dial"]
            assert rung == ([f"Number {SALES}: completed"] if keys == ("1",) else [])
