"""What a telephone line can do to a call: each fault ends in one recorded reason, or in nothing at all."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from callbridge.bridge.legs import Patience
from callbridge.call.facts import EndReason, Interrupted, Noted, StreamEnded, StreamStarted
from callbridge.call.limits import Limits
from callbridge.server import fast_lane
from callbridge.server import media as media_door
from callbridge.server.continuation import CONTINUATIONS_MAX
from callbridge.simulators.phone import (
    HangUp,
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
from e2e.line import Frame, Line, Way
from e2e.raw import ask_for_token, closed_with, media, media_socket, raw_phone, send, start, stop
from e2e.stack import (
    CONNECTED_AND_ENDED,
    CONNECTED_AND_LEFT,
    REFUSED_AND_SORRY,
    TRIED_AND_SORRY,
    UNDIALLED,
    FinishedCall,
    Log,
    Stack,
    stack,
    together,
)
from leftovers import leaves_nothing
from random_calls import noise
from raw_peer import Opcode, text

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from callbridge.simulators.phone import Step
    from lanes import PhoneLane

pytestmark = pytest.mark.usefixtures("nothing_left")

RNG = random.Random(11)
GREETING = Answer(say=(Speech(text="Hello, this is the agent.", audio=noise(RNG, 800)),))
GOODBYE = Answer(say=(Speech(text="Goodbye.", audio=noise(RNG, 300)),), calls=(Call(name="end_call"),))
ORDINARY = Script(answers=(GREETING,), default=GOODBYE, after_ms=20)
WORD = noise(RNG, 300)

LIMITS = Limits(start_timeout_s=0.4, media_gap_warning_s=0.3, media_gap_timeout_s=0.5)
"""As short as a test can bear; what happens at each bound is the same."""


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


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
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


# --- A phone that says what it should not -----------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A misbehaviour of the phone, and what is to become of the call."""

    how: Misbehaviour
    close_code: int
    verbs: list[str]
    detail: str = ""
    warning: str = ""
    """Noted once for each stream."""

    @property
    def reason(self) -> EndReason:
        return EndReason.AGENT_HANGUP if self.close_code == 1000 else EndReason.REJECTED_PROTOCOL


A_BINARY_FRAME = "phone leg sent 1 bad messages: a binary frame"
FAULTS = [
    Fault(Misbehaviour.GARBAGE, 1000, CONNECTED_AND_ENDED, warning="bad_message"),
    Fault(Misbehaviour.DUPLICATE_START, 1000, CONNECTED_AND_ENDED, warning="start_repeated"),
    Fault(Misbehaviour.BINARY, 1008, TRIED_AND_SORRY, A_BINARY_FRAME, "bad_message"),
    Fault(Misbehaviour.OVERSIZED, 1009, TRIED_AND_SORRY, "1009"),
    Fault(Misbehaviour.BROKEN_FRAME, 1002, TRIED_AND_SORRY, "1002"),
    Fault(Misbehaviour.MEDIA_BEFORE_START, 1008, REFUSED_AND_SORRY, "Media before start"),
    Fault(Misbehaviour.NO_START, 1008, REFUSED_AND_SORRY, "no start in time"),
]


async def test_a_phone_that_breaks_the_protocol_ends_in_words(log: Log, lane: PhoneLane) -> None:
    """Garbage is survived, a broken protocol is closed each time; nobody is dialled before a good start."""

    async def suffer(fault: Fault) -> FinishedCall:
        async with stack(ORDINARY, limits=LIMITS, lane=lane, environment=UNDIALLED) as running:
            phone = running.phone(
                [WaitForAgent(100), Say(WORD), WaitForEnd()], misbehaviours=frozenset({fault.how})
            )
            call = await running.finish(phone)
            # A socket without a start has no CallSid: its record is the only one of its service.
            return FinishedCall(
                call.phone, call.report, [f for facts in running.facts.values() for f in facts], running
            )

    calls = await together(*(suffer(fault) for fault in FAULTS))
    for fault, call in zip(FAULTS, calls, strict=True):
        ends = call.of(StreamEnded)
        # What such a phone is on one stream it is on the next one as well.
        assert [end.reason for end in ends] == [fault.reason] * len(call.phone.streams), fault
        assert call.verbs == fault.verbs, fault
        for end, stream in zip(ends, call.phone.streams, strict=True):
            assert fault.detail in end.detail, end
            assert stream.end is not None
            # A phone that goes on sending to a closed socket may be cut off before it reads why.
            is_cut = fault.how is Misbehaviour.BROKEN_FRAME and stream.end.code is None
            assert is_cut or (fault.how, stream.end.code) == (fault.how, fault.close_code)
        notes = [note.event for note in call.of(Noted) if note.is_warning]
        assert notes == ([fault.warning] * len(ends) if fault.warning else []), fault
        if fault.how in {Misbehaviour.MEDIA_BEFORE_START, Misbehaviour.NO_START}:
            assert call.stack.model.sessions == []
    assert len(log.events("stream_ended")) == sum(len(call.of(StreamEnded)) for call in calls)


# --- Sockets by hand --------------------------------------------------------------------------------

Talk = Callable[[Stack, "ClientConnection", str, str], Awaitable[None]]
"""What is sent: the service, its socket, a CallSid and a good token for it."""


async def start_of_another_stream(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    await send(socket, start(sid, token), media(sid))
    await socket.recv()  # The agent speaks.
    await send(socket, start("CA" + "f" * 32, token))


async def stop_before_start(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    await send(socket, stop(sid))


async def mark_before_start(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    await send(socket, {"event": "mark", "sequenceNumber": "1", "streamSid": "MZ1", "mark": {"name": "x"}})


async def another_sound(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    wide = {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}
    await send(socket, start(sid, token, mediaFormat=wide))


async def silence_of_the_line(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    await send(socket, start(sid, token), media(sid))


async def nothing_but_garbage(_: Stack, socket: ClientConnection, sid: str, token: str) -> None:
    await send(socket, start(sid, token), media(sid))
    await socket.recv()  # The agent speaks.
    for _number in range(60):
        await socket.send('{"event":"media","media":')


BROKEN: list[tuple[Talk, str, bool]] = [
    (start_of_another_stream, "a second start names another stream", True),
    (stop_before_start, "stop before start", False),
    (mark_before_start, "MarkEchoed before start", False),
    (another_sound, "the stream is not 8 kHz mono µ-law", False),
    (silence_of_the_line, "no caller audio for 0.5 s", True),
    (nothing_but_garbage, "phone leg sent 51 bad messages", True),
]
"""What is sent, the record's words for it, and whether the model is dialled for it."""


async def test_a_stream_that_no_carrier_would_send_is_refused(log: Log, lane: PhoneLane) -> None:
    """A second stream, messages before the start, other sound, a dead line: each closed in words."""

    async def hold(talk: Talk, sid: str) -> tuple[Stack, int | None, str]:
        async with stack(ORDINARY, limits=LIMITS, lane=lane, environment=UNDIALLED) as running:
            token = await ask_for_token(running, sid)
            async with media_socket(running) as socket:
                await talk(running, socket, sid, token)
                return (running, *await closed_with(socket))

    async with asyncio.TaskGroup() as talks:
        held = [talks.create_task(hold(one[0], f"CA{n:032x}")) for n, one in enumerate(BROKEN)]
    for (talk, detail, is_dialled), task in zip(BROKEN, held, strict=True):
        running, code, reason = task.result()
        (ended,) = running.ends
        is_lost = talk is silence_of_the_line
        expected = EndReason.MEDIA_LOST if is_lost else EndReason.REJECTED_PROTOCOL
        assert (ended.reason, code, reason) == (expected, 1000 if is_lost else 1008, expected.value), ended
        assert ended.detail.startswith(detail), ended
        assert bool(running.model.sessions) == is_dialled, ended
    assert len(log.events("stream_ended")) == len(BROKEN)


# --- Keys -------------------------------------------------------------------------------------------


async def test_keys_interrupt_and_reach_the_model() -> None:
    long_greeting = Answer(say=(Speech(text="A long greeting.", audio=noise(RNG, 4000)),), pace=1.5)
    script = Script(answers=(long_greeting,), default=GOODBYE, after_ms=20)
    async with stack(script) as running, leaves_nothing():
        call = await running.call([Pause(700), Press("42#"), WaitForEnd()])
        journal = call.journal
    assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
    assert len(call.of(Interrupted)) == len(call.stream.playback.clears) == 1
    told = [item.content[0]["text"] for item in journal.items.values() if item.role == "user"]
    assert told == ["[The caller pressed 4 2 # on the telephone keypad.]"]
    greeting, goodbye = call.heard()
    assert greeting.truncated_at_ms is not None
    assert abs(greeting.truncated_at_ms - greeting.heard_ms) <= 40
    assert goodbye.was_heard_to_its_end
    assert {refusal.code for refusal in journal.refusals} <= {"response_cancel_not_active"}
