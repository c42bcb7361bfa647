"""Both sides of a recording in their places: by the line's clock, by when it was heard, cut where it was."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field

import pytest

from callbridge.call.ear.playout import Playout
from callbridge.call.ear.tape import End, Entry, Pause
from callbridge.records.recording.placing import Placing
from callbridge.wire.audio import BYTES_PER_MS, FRAME_BYTES, SILENCE

SILENT = bytes((SILENCE,))
TRIP_S = 0.08
PASS_S = 0.25


def said(number: int) -> bytes:
    """The 20 ms that the caller spoke then; no two are alike."""
    return bytes(random.Random(f"caller {number}").choices(range(1, 200), k=FRAME_BYTES))


def frame(number: int, timestamp: str | None = None) -> bytes:
    """A frame as Twilio words it. The first is of the line's moment 100 ms."""
    chunk = {
        "track": "inbound",
        "chunk": str(number + 1),
        "timestamp": str(100 + 20 * number) if timestamp is None else timestamp,
        "payload": base64.b64encode(said(number)).decode(),
    }
    return json.dumps({"event": "media", "media": chunk, "streamSid": "MZ1"}).encode()


@dataclass
class Call:
    """A call whose frames come every 20 ms, and a phone that plays what it is sent a round trip later."""

    placing: Placing = field(default_factory=lambda: Placing(0.0))
    playout: Playout = field(default_factory=Playout)
    now: float = 0.1
    frames: int = 0
    entries: list[Entry] = field(default_factory=list)
    written: bytes = b""
    passed_at: float = 0.0
    sent: int = 0
    mark: str = ""
    """That behind the latest audio."""

    def __post_init__(self) -> None:
        self.playout.on_cut = self.entries.append

    def hears(self, ms: int, lost: bool = False) -> None:
        """Time goes on, and with it the caller."""
        for _ in range(ms // 20):
            if not lost:
                self.entries.append(frame(self.frames))
            self.frames += 1
            self.now += 0.02
            if self.now - self.passed_at >= PASS_S:
                self.passes()

    def plays(self, ms: int) -> bytes:
        """The agent's audio is sent, all at once."""
        self.sent += 1
        audio = bytes(random.Random(f"agent {self.sent}").choices(range(1, 200), k=ms * BYTES_PER_MS))
        self.mark = self.playout.sent("item", len(audio), self.now) or self.playout.mark(self.now) or ""
        self.entries.append(self.playout.played(audio, self.now))
        return audio

    def echo(self) -> None:
        """The phone says that it has played all that it was sent."""
        echoed = self.playout.proven(self.mark, self.now)
        assert echoed is not None
        self.entries.append(echoed)
        self.playout.echoed(self.mark, self.now)

    def passes(self) -> None:
        self.placing.take(self.entries, self.now)
        self.entries.clear()
        self.written += self.placing.certain(self.now)
        self.passed_at = self.now

    def ends(self, *, by_phone: bool = False) -> tuple[bytes, bytes]:
        """Both sides, whole."""
        self.entries.append(End(self.now, by_phone))
        self.passes()
        return self.written[0::2], self.written[1::2]


def place_ms(side: bytes, audio: bytes) -> float:
    at = side.find(audio)
    assert at >= 0, "it is there"
    return at / BYTES_PER_MS


def test_each_side_stands_where_it_was_said_and_heard() -> None:
    call = Call()
    call.hears(500)
    audio = call.plays(400)
    call.hears(480)
    call.echo()  # 400 ms after it was sent, and a round trip.
    call.hears(1000)
    caller, agent = call.ends()
    assert caller.lstrip(SILENT) == b"".join(said(number) for number in range(call.frames))
    # Sent when frame 25 came, heard a round trip later, which on the caller's side is 80 ms on.
    assert place_ms(agent, audio) == pytest.approx(place_ms(caller, said(25)) + 80, abs=20)
    assert agent.count(SILENT) == len(agent) - len(audio)


def test_what_was_cut_is_not_in_it_and_what_is_written_never_changes() -> None:
    call = Call()
    call.hears(500)
    audio = call.plays(2000)
    call.hears(1000)
    before = call.written
    call.playout.cut(call.now, 60)
    call.hears(1000)
    _, agent = call.ends()
    assert place_ms(agent, audio[: 900 * BYTES_PER_MS]) > 0
    assert agent.find(audio[: 1040 * BYTES_PER_MS]) < 0
    assert call.written.startswith(before)


def test_a_frame_that_is_lost_is_silence_and_one_that_is_late_is_in_its_place() -> None:
    call = Call()
    call.hears(400)
    call.hears(200, lost=True)
    call.hears(400)
    late = [frame(number) for number in range(call.frames, call.frames + 50)]
    call.now, call.frames = call.now + 1.0, call.frames + 50
    call.passes()
    call.entries += late
    call.hears(500)
    caller, _ = call.ends()
    first = place_ms(caller, said(0))
    for number in (19, 30, 49, 50, 99, 120):
        assert place_ms(caller, said(number)) == first + 20 * number
    gap = int((first + 400) * BYTES_PER_MS)
    assert caller[gap : gap + 10 * FRAME_BYTES] == SILENT * 10 * FRAME_BYTES


def test_a_pause_is_silent_on_both_sides() -> None:
    call = Call()
    call.hears(500)
    call.plays(3000)
    call.hears(500)
    call.entries.append(Pause(call.now))
    call.hears(600)
    call.entries.append(Pause(call.now, is_over=True))
    call.hears(2500)
    caller, agent = call.ends()
    begin = int(place_ms(caller, said(49)) + 20) * BYTES_PER_MS
    assert caller[begin : begin + 30 * FRAME_BYTES] == SILENT * 30 * FRAME_BYTES
    assert agent[begin : begin + 30 * FRAME_BYTES - 20 * BYTES_PER_MS].strip(SILENT) == b""
    assert agent[begin - 10 * FRAME_BYTES : begin].strip(SILENT)
    assert place_ms(caller, said(80)) > 0


def test_a_phone_that_starts_late_is_placed_by_its_echoes() -> None:
    """The second answer is stuck in the network for 700 ms; its echoes say so, as late as it was."""
    call = Call()
    call.hears(500)
    call.plays(200)
    call.hears(280)
    call.echo()
    call.hears(1000)
    audio, at = call.plays(400), call.frames
    call.hears(400 + 700 + 80)
    call.echo()
    call.hears(1000)
    caller, agent = call.ends()
    assert place_ms(agent, audio) == pytest.approx(place_ms(caller, said(at)) + 700 + 80, abs=40)


def test_a_phone_that_echoes_nothing_is_placed_by_the_clock() -> None:
    call = Call()
    call.hears(500)
    audio, at = call.plays(400), call.frames
    call.hears(8000)
    assert len(call.written) > 2 * 7000 * BYTES_PER_MS, "the rest waits for nothing"
    caller, agent = call.ends()
    assert place_ms(agent, audio) == pytest.approx(place_ms(caller, said(at)), abs=40)


@pytest.mark.parametrize("told", ["", "x", "-5", "9" * 15, "0"])
def test_a_clock_of_the_line_that_is_none_is_replaced_by_the_count_of_frames(told: str) -> None:
    """Nothing that a peer writes makes a file grow faster than its audio."""
    call = Call()
    for number in range(200):
        call.entries.append(frame(number, told))
        call.now += 0.02
        if number % 12 == 0:
            call.passes()
    caller, _ = call.ends()
    first = place_ms(caller, said(0))
    assert place_ms(caller, said(199)) == first + 199 * 20
    assert len(caller) < 5000 * BYTES_PER_MS


def test_a_clock_that_runs_away_is_not_believed() -> None:
    call = Call()
    call.hears(1000)
    call.entries.append(frame(50, "100000000"))
    call.frames += 1
    call.hears(1000)
    caller, _ = call.ends()
    assert len(caller) < 4000 * BYTES_PER_MS


def test_messages_that_are_no_audio_are_passed_over() -> None:
    call = Call()
    call.hears(200)
    call.entries += [
        '{"event":"dtmf","dtmf":{"digit":"1"}}',
        "no JSON",
        b'{"event":"media","media":{"payload":7}}',
    ]
    call.hears(200)
    caller, _ = call.ends()
    assert place_ms(caller, said(19)) == place_ms(caller, said(0)) + 380


def test_what_was_not_heard_when_the_phone_went_is_not_in_it() -> None:
    call = Call()
    call.hears(500)
    call.plays(200)
    call.hears(280)
    call.echo()
    call.hears(500)
    audio = call.plays(3000)
    call.hears(1000)
    _, agent = call.ends(by_phone=True)
    heard_ms = (len(agent) - agent.count(SILENT)) / BYTES_PER_MS - 200
    assert heard_ms == pytest.approx(1000 - TRIP_S * 1000, abs=20)
    assert place_ms(agent, audio[:4000]) > 0
