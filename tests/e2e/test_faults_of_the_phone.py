"""What a telephone line can do to a call: each fault ends in one recorded reason, or in nothing at all.

What a phone may say that it should not is in the fault matrix, and in the tests of WebSocket cases.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.bridge.legs.leg import Patience
from callbridge.call.facts import EndReason, Interrupted, StreamEnded, StreamStarted
from callbridge.call.limits import Limits
from callbridge.server.http import media as media_door
from callbridge.server.process.listening import fast_lane
from callbridge.simulators.phone import (
    HangUp,
    Interrupt,
    Misbehaviour,
    Pause,
    Press,
    Say,
    Vanish,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.switchboard.continuation import CONTINUATIONS_MAX
from e2e.line import Frame, Line, Way
from e2e.raw import ask_for_token, media, raw_phone, start, stop
from e2e.stack import (
    CONNECTED_AND_ENDED,
    CONNECTED_AND_LEFT,
    TRIED_AND_SORRY,
    FinishedCall,
    Log,
    stack,
    together,
)
from leftovers import leaves_nothing
from random_calls import noise
from raw_peer import Opcode, text

if TYPE_CHECKING:
    from callbridge.simulators.phone import Step
    from lanes import PhoneLane
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left")

RNG = random.Random(11)
GREETING = Answer(say=(Speech(text="Hello, this is the agent.", audio=noise(RNG, 800)),))
GOODBYE = Answer(say=(Speech(text="Goodbye.", audio=noise(RNG, 300)),), calls=(Call(name="end_call"),))
ORDINARY = Script(answers=(GREETING,), default=GOODBYE, after_ms=20)
WORD = noise(RNG, 300)

# --- A caller who leaves ----------------------------------------------------------------------------


async def test_a_caller_who_leaves_ends_everything(lane: PhoneLane) -> None:
    """Hung up or vanished, before, during or after anything: one reason, both sockets gone, no apology."""

    async def left(steps: list[Step]) -> FinishedCall:
        async with stack(ORDINARY, lane=lane) as running:
            return await running.call(steps)

    gone = await together(
        left([Pause(20), Vanish()]),  # While the model is being set up.
        left([Pause(400), Vanish()]),  # During the greeting.
        left([WaitForAgent(quiet_ms=100), Vanish()]),
        left([Pause(0), HangUp()]),
        left([Pause(400), HangUp()]),
        left([WaitForAgent(quiet_ms=100), Say(WORD), HangUp()]),  # With an answer due.
    )
    expected = [EndReason.MEDIA_LOST] * 3 + [EndReason.CALLER_HANGUP] * 3
    assert [call.ended.reason for call in gone] == expected
    for call in gone:
        assert call.verbs == CONNECTED_AND_LEFT
        assert call.journal.ended.startswith("client closed with 1000")


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_a_phone_that_does_not_read_is_given_up(
    monkeypatch: pytest.MonkeyPatch, log: Log, lane: PhoneLane
) -> None:
    """Stream after stream that takes nothing is dropped, unread as it is; then the caller is told."""
    hurried = Patience(send_timeout_s=0.5, close_timeout_s=0.2)
    monkeypatch.setattr(media_door, "PHONE_PATIENCE", hurried)
    monkeypatch.setattr(fast_lane, "LINGER_S", 0.2)
    half_an_hour = Speech(text="On and on.", audio=noise(RNG, 1000) * 1800)
    script = Script(
        default=Answer(say=(half_an_hour,), pace=50_000, delta_bytes=(64_000, 64_000)), after_ms=20
    )
    never_read = frozenset({Misbehaviour.NEVER_READ})
    limits = Limits(unheard_ms_max=3_600_000)
    async with stack(script, limits=limits, lane=lane) as running, leaves_nothing():
        call = await running.call([WaitForEnd()], misbehaviours=never_read, max_call_s=20)
    ends = call.of(StreamEnded)
    assert [end.reason for end in ends] == [EndReason.MEDIA_LOST] * (CONTINUATIONS_MAX + 1)
    for end in ends:
        assert end.detail.startswith("phone leg stalled: ")
        assert end.duration_ms < 4000, "the socket outlived its stream"
    for stream in call.phone.streams:
        assert stream.end is not None
        assert (stream.end.by_whom, stream.end.code) == ("network", None)
    assert call.verbs == TRIED_AND_SORRY
    assert len(log.events("stream_ended", call.sid)) == len(ends)


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_a_phone_that_reads_slowly_hears_everything(lane: PhoneLane) -> None:
    """It is behind the agent by more than the kernel keeps, and misses nothing for it."""
    words = noise(RNG, 1000) * 340
    speech = Speech(text="On and on.", audio=words)
    script = Script(default=Answer(say=(speech,), pace=50_000, delta_bytes=(2000, 16_000)), after_ms=20)
    heard = bytearray()
    # Nobody talks for six minutes. More than a kernel buffers (2.5 MB), less than an outbox holds (4 MiB).
    limits = Limits(unheard_ms_max=600_000)
    async with stack(script, limits=limits, lane=lane) as running, leaves_nothing(), asyncio.timeout(10):
        sid = "CA" + "5" * 32
        hello = [start(sid, await ask_for_token(running, sid)), media(sid)]
        async with raw_phone(running, receive_buffer_bytes=4096) as peer:
            await peer.send(*(text(json.dumps(message)) for message in hello))
            while len(heard) < len(words):
                frame = await peer.read_frame()
                assert frame is not None, running.ends
                assert frame.opcode == Opcode.TEXT, running.ends
                message = json.loads(frame.payload)
                if message["event"] == "media":
                    heard += base64.b64decode(message["media"]["payload"])
            await peer.send(text(json.dumps(stop(sid))))
    assert heard == words


# --- A line that breaks ------------------------------------------------------------------------------


async def test_a_call_whose_stream_breaks_off_goes_on_with_another(lane: PhoneLane, log: Log) -> None:
    """No stop, no close: Twilio asks what follows, and the call goes on where it was."""

    def cut(_since: int, _frame: Frame, way: Way) -> list[bytes]:
        way.cut()
        return []

    line = Line(cut, from_media=60)
    async with line.opened():
        through = {"PUBLIC_BASE_URL": line.url}
        async with stack(ORDINARY, lane=lane, environment=through) as running, leaves_nothing():
            line.target = running.settings.port
            call = await running.call([Pause(2500), Say(WORD), WaitForEnd()])
    first, second = call.of(StreamEnded)
    assert (first.reason, second.reason) == (EndReason.MEDIA_LOST, EndReason.AGENT_HANGUP)
    assert [started.is_continued for started in call.of(StreamStarted)] == [False, True]
    assert call.verbs == ["Connect/Stream", *CONNECTED_AND_ENDED]
    (continued,) = log.events("stream_continued", call.sid)[:1]
    assert (continued["continuation"], continued["reason"]) == ("resume", "media_lost")
    # The session waited for its call: nobody was dialled, and nothing had to be told again.
    assert len(call.stack.model.sessions) == 1


# --- Keys -------------------------------------------------------------------------------------------


async def test_keys_interrupt_and_reach_the_model(machine: Machine) -> None:
    long_greeting = Answer(say=(Speech(text="A long greeting.", audio=noise(RNG, 4000)),), pace=1.5)
    script = Script(answers=(long_greeting,), default=GOODBYE, after_ms=20)
    agent = Agent(greeting_interruptible=True)
    async with stack(script, agent=agent) as running, leaves_nothing():
        call = await running.call([Interrupt(200, b""), Press("42#"), WaitForEnd()])
        journal = call.journal
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
    assert len(call.of(Interrupted)) == len(call.stream.playback.clears) == 1
    told = [item.content[0]["text"] for item in journal.items.values() if item.role == "user"]
    assert told == ["[The caller pressed 4 2 # on the telephone keypad.]"]
    greeting, goodbye = call.heard()
    assert greeting.truncated_at_ms is not None
    assert abs(greeting.truncated_at_ms - greeting.heard_ms) <= 40 + machine.loop_late_ms
    assert goodbye.was_heard_to_its_end
    assert {refusal.code for refusal in journal.refusals} <= {"response_cancel_not_active"}
