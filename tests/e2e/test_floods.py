"""A live stream that says more than a telephone can: it ends, and no other call in the process notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass

import pytest

from callbridge.call.entrance import ONE_WAY
from callbridge.call.facts import EndReason, StreamEnded
from callbridge.observe.loop_watch import LoopWatch
from callbridge.simulators.phone import Misbehaviour, WaitForEnd, messages
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.raw import ask_for_token, identity, media, raw_phone, start
from e2e.stack import (
    CONNECTED_AND_ENDED,
    REFUSED_AND_SORRY,
    TRIED_AND_SORRY,
    UNDIALLED,
    Log,
    Stack,
    stack,
    together,
)
from leftovers import until
from random_calls import noise
from raw_peer import Frame, Opcode, more, text

pytestmark = pytest.mark.usefixtures("nothing_left")

RNG = random.Random("floods")
HELLO = Answer(say=(Speech(text="Hello, goodbye.", audio=noise(RNG, 700)),), calls=(Call(name="end_call"),))
SCRIPT = Script(answers=(HELLO,), after_ms=20)
LAG_MS_MAX = 5000
"""Of the loop, in which the floods are made, too. Without bounds it stands still for 12 s."""


@dataclass(frozen=True)
class Flood:
    """What a phone says without end, in a call that it was admitted to."""

    name: str
    frame: Frame
    times: int
    ends: str
    """What is said of it."""
    before: tuple[Frame, ...] = ()

    @property
    def sid(self) -> str:
        return "CA" + self.name.encode().hex().ljust(32, "0")[:32]


WHOSE = identity("CA" + "f" * 32)
EMPTY = "51 bad messages: not a JSON object with an `event`"
ODD = "a flood of odd frames, more than 120 a second"


def said(name: str, message: str, times: int = 25_000) -> Flood:
    return Flood(
        f"{name} {len(message)}", text(message), times, f"a flood of {name} messages, more than 120 a second"
    )


FLOODS = (
    said("dtmf", messages.dtmf(WHOSE, 3, "5"), 200_000),
    said("media", messages.media(WHOSE, 3, 2, 99, b"\xff" * 160)),
    # No more often than Twilio sends, and a hundred times as long.
    said("media", messages.media(WHOSE, 3, 2, 99, b"\xff" * 16_000), 500),
    said("mark", messages.mark(WHOSE, 3, "no mark of ours")),
    said("connected", messages.CONNECTED),
    said("unknown", '{"event":"scent"}'),
    Flood("nothing", text(""), 100_000, EMPTY),
    Flood("pings", Frame(Opcode.PING, b"?"), 100_000, ODD),
    Flood("pongs", Frame(Opcode.PONG), 100_000, ODD),
    Flood("fragments", more(), 100_000, ODD, (text("", fin=False),)),
)


async def test_a_flood_ends_its_own_stream_and_no_other(log: Log) -> None:
    """1008, and one line that says why; the loop turns, and another call goes on as if there were none."""
    async with stack(SCRIPT) as running, LoopWatch(exit_process=print, has_last_resort=False) as watch:
        other = asyncio.create_task(running.call([WaitForEnd()]))
        assert await until(lambda: len(running.model.sessions) == 1)
        closes = await asyncio.gather(*(pour(flood, running) for flood in FLOODS))
        call = await other
    assert closes == [(1008, "rejected_protocol")] * len(FLOODS)
    assert watch.lags.max_ms < LAG_MS_MAX
    for flood in FLOODS:
        lines = [(line["event"], line.get("detail")) for line in log.warnings(flood.sid)]
        assert lines[-2:] == [("bad_message", None), ("stream_ended", f"phone leg sent {flood.ends}")], flood
        assert len(lines) <= 3, flood
    (audio,) = log.events("stream_ended", FLOODS[1].sid)
    assert audio["frames_from_phone"] < 1000, "the rest is not even read"
    assert (call.verbs, call.report.is_clean) == (CONNECTED_AND_ENDED, True), call.report


async def pour(flood: Flood, running: Stack) -> tuple[int, str]:
    """Says it as long as somebody takes it; the code and the reason of the close."""
    token = await ask_for_token(running, flood.sid)
    async with raw_phone(running) as peer, asyncio.TaskGroup() as tasks:
        closing = tasks.create_task(peer.read_to_close())
        for message in (start(flood.sid, token), media(flood.sid)):
            await peer.send(text(json.dumps(message)))
        assert await until(lambda: bool(running.facts[flood.sid]))
        with contextlib.suppress(ConnectionError):
            await peer.send(*flood.before, flood.frame.encode(masks=True) * flood.times)
        close = (await closing)[-1]
    assert close.opcode == Opcode.CLOSE
    return int.from_bytes(close.payload[:2]), close.payload[2:].decode()


@pytest.mark.heavy
async def test_a_phone_that_floods_gets_what_follows_a_fault_of_the_protocol() -> None:
    """Its streams end one after the other, as those of a phone that speaks another language do."""
    async with stack(SCRIPT) as running:
        floods = (Misbehaviour.KEY_FLOOD, Misbehaviour.AUDIO_FLOOD)
        calls = await together(
            *(running.call([WaitForEnd()], misbehaviours=frozenset({flood})) for flood in floods)
        )
    for call in calls:
        assert {end.reason for end in call.of(StreamEnded)} == {EndReason.REJECTED_PROTOCOL}
        assert {stream.end.code for stream in call.phone.streams if stream.end} == {1008}
        assert call.verbs == TRIED_AND_SORRY


async def test_what_the_caller_hears_is_never_taken_for_what_they_say() -> None:
    """Frames of the outbound track reach no model; a stream that says it carries them is refused in words."""
    async with stack(SCRIPT, environment=UNDIALLED) as running:
        beside, told = (frozenset({how}) for how in (Misbehaviour.OUTBOUND_MEDIA, Misbehaviour.BOTH_TRACKS))
        call = await running.call([WaitForEnd()], misbehaviours=beside)
        assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
        assert call.journal.appended is not None
        assert call.journal.appended.strip(b"\xff") == b"", "the caller was silent"
        refused = await running.call([WaitForEnd()], misbehaviours=told)
    assert {(end.reason, end.detail) for end in refused.of(StreamEnded)} == {
        (EndReason.REJECTED_PROTOCOL, ONE_WAY)
    }
    assert refused.verbs == REFUSED_AND_SORRY
