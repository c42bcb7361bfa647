"""The audio path: what passes, what waits, what is dropped, and that no byte of it changes."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.bridge.relay import FRAME_BYTES_MAX, Relay
from callbridge.call.ear.gate import Gate, Uplink
from callbridge.call.ear.tally import Tally
from callbridge.call.events import (
    AnswerRanAway,
    BadMessage,
    CallerWasLoud,
    Leg,
    SpareSaid,
    StreamAdmitted,
)
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.outbox import Outbox
from callbridge.wire import media_streams, realtime_events
from callbridge.wire.audio import silence
from callbridge.wire.media_streams import MarkEchoed
from memory_call import PLAN

STREAM = "MZ1"
SPEECH_STARTED = '{"type":"input_audio_buffer.speech_started","item_id":"i","audio_start_ms":7}'
AUDIO_DONE = '{"type":"response.output_audio.done","response_id":"r","item_id":"i"}'
STARTED = media_streams.Start(
    media_streams.StartFacts(STREAM, "AC1", "CA1", media_streams.MediaFormat("audio/x-mulaw", 8000, 1), {})
)


class Rig:
    """A relay between two lists, its gate in the hands of the test."""

    def __init__(self, uplink: Uplink = Uplink.OPEN, limits: Limits | None = None) -> None:
        admitted = StreamAdmitted(replace(PLAN, limits=limits or Limits()), "", "")
        self.gate, self.tally = gate, tally = (
            Gate(uplink, Limits().held_audio_ms_max, audible_response_id="resp_1"),
            Tally(),
        )
        self.call = CallMachine(admitted, gate=gate, tally=tally, out=Outbox("CA1", STREAM, 0.0), spread=0.5)
        self.to_phone: list[dict[str, Any]] = []
        self.to_model: list[dict[str, Any]] = []
        self.relay = Relay(gate, tally, lambda frame: self.to_phone.append(json.loads(frame)))
        self.relay.serve(self.call)
        self.relay.send_to_model = lambda frame: self.to_model.append(json.loads(frame))

    @property
    def model_audio(self) -> bytes:
        """All the model got."""
        return b"".join(base64.b64decode(command["audio"], validate=True) for command in self.to_model)

    @property
    def phone_audio(self) -> bytes:
        """All the phone got."""
        sent = [message["media"]["payload"] for message in self.to_phone if message["event"] == "media"]
        return b"".join(base64.b64decode(payload, validate=True) for payload in sent)


def media(audio: bytes) -> str:
    """Caller audio as Twilio sends it."""
    payload = base64.b64encode(audio).decode()
    return json.dumps(
        {"event": "media", "streamSid": STREAM, "media": {"payload": payload, "timestamp": "20"}}
    )


def delta(audio: bytes, response_id: str = "resp_1", item_id: str = "item_1") -> str:
    """Agent audio as the model sends it."""
    return json.dumps(
        {
            "type": "response.output_audio.delta",
            "response_id": response_id,
            "item_id": item_id,
            "delta": base64.b64encode(audio).decode(),
        }
    )


def piece(by: str, words: str, response_id: str = "resp_1") -> str:
    """A piece of somebody's words as the model sends it."""
    agent, caller = "response.output_audio_transcript", "conversation.item.input_audio_transcription"
    place = {"response_id": response_id, "item_id": "item_1"} if by == "agent" else {"item_id": "item_2"}
    return json.dumps({"type": f"{agent if by == 'agent' else caller}.delta", **place, "delta": words})


def test_words_are_told_as_they_come_to_who_wants_them() -> None:
    """Of the agent those that may be heard. The record of the turn has all of them, whoever listens."""
    rig, heard = Rig(), list[tuple[str, str, str]]()
    pieces = [piece("agent", "Good "), piece("caller", "I "), piece("agent", "Nobody", "resp_0")]
    for hears in (None, lambda *said: heard.append(said), None):
        rig.relay.hear_words(hears)
        assert [rig.relay.from_model(text, 1.0) for text in pieces] == [None] * 3
    assert heard == [("agent", "item_1", "Good "), ("caller", "item_2", "I ")]


def test_caller_audio_passes_through_an_open_gate() -> None:
    rig = Rig()
    assert rig.relay.from_phone(media(b"\x01\x02\x03")) is None
    assert rig.to_model == [{"type": "input_audio_buffer.append", "audio": "AQID"}]
    tally = rig.tally
    assert (tally.frames_from_phone, tally.frames_to_model, tally.uplink_bytes) == (1, 1, 3)


def test_audio_before_the_stream_is_a_matter_for_the_machine() -> None:
    """The relay neither keeps nor counts it."""
    rig = Rig(Uplink.UNSTARTED)
    assert isinstance(rig.relay.from_phone(media(b"\x01")), media_streams.Media)
    assert rig.tally.frames_from_phone == 0
    assert rig.to_model == []


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20), st.data())
def test_early_audio_is_held_and_flushed_in_order(frames: list[bytes], data: st.DataObject) -> None:
    """What was said before the model was ready comes before what is said after, and nothing is lost."""
    rig = Rig(Uplink.HELD)
    opened_at = data.draw(st.integers(0, len(frames)))
    for frame in frames[:opened_at]:
        rig.relay.from_phone(media(frame))
    assert rig.to_model == []
    rig.gate.uplink = Uplink.OPEN
    rig.relay.open_uplink()
    for frame in frames[opened_at:]:
        rig.relay.from_phone(media(frame))
    assert [base64.b64decode(command["audio"]) for command in rig.to_model] == frames
    assert rig.tally.frames_to_model == len(frames)
    assert rig.tally.frames_dropped == 0


@pytest.mark.parametrize("lowered_to_ms", [100, 60])
def test_of_too_much_held_audio_the_oldest_is_dropped_and_counted(lowered_to_ms: int) -> None:
    """The bound is in milliseconds of audio; stale words would be answered as if just said.

    The machine lowers it when a session is replaced in the middle of a call.
    """
    rig = Rig(Uplink.HELD, Limits(connect_timeout_s=0.05, held_audio_ms_max=100))
    frames = [bytes((number,)) * 160 for number in range(7)]
    for frame in frames[:5]:
        rig.relay.from_phone(media(frame))
    rig.gate.held_ms_max = lowered_to_ms
    for frame in frames[5:]:
        rig.relay.from_phone(media(frame))
    rig.relay.open_uplink()
    kept = frames[-lowered_to_ms // 20 :]
    assert rig.model_audio == b"".join(kept)
    assert rig.tally.frames_dropped == 7 - len(kept)
    assert rig.tally.frames_from_phone == 7


def test_after_the_end_audio_is_dropped_and_counted() -> None:
    rig = Rig(Uplink.SHUT)
    assert rig.relay.from_phone(media(b"\x01")) is None
    assert rig.to_model == []
    assert (rig.tally.frames_from_phone, rig.tally.frames_dropped) == (1, 1)


@pytest.mark.parametrize("size", [0, FRAME_BYTES_MAX + 1, 48_000])
@pytest.mark.parametrize("uplink", [Uplink.HELD, Uplink.OPEN, Uplink.SHUT])
def test_a_frame_of_an_impossible_size_is_a_bad_message(uplink: Uplink, size: int) -> None:
    """No telephone sends it, so it must not fill the buffer."""
    rig = Rig(uplink)
    told = rig.relay.from_phone(media(b"\xff" * size))
    assert told == BadMessage(Leg.PHONE, f"a frame of {size} bytes of audio")
    assert rig.to_model == []
    assert rig.tally.frames_from_phone == 0


def test_the_largest_frame_passes() -> None:
    rig = Rig()
    assert rig.relay.from_phone(media(b"\xff" * FRAME_BYTES_MAX)) is None
    assert len(rig.model_audio) == FRAME_BYTES_MAX


def test_an_open_gate_without_a_model_is_our_own_fault() -> None:
    rig = Rig()
    rig.relay.send_to_model = None
    with pytest.raises(AssertionError, match="opens after the model leg"):
        rig.relay.from_phone(media(b"\x01"))


def test_agent_audio_of_the_audible_response_goes_to_the_phone() -> None:
    rig = Rig()
    assert rig.relay.from_model(delta(b"\x01\x02\x03"), 1.0) is None
    assert rig.to_phone == [{"event": "media", "streamSid": STREAM, "media": {"payload": "AQID"}}]
    assert (rig.tally.frames_to_phone, rig.tally.downlink_bytes) == (1, 3)
    assert rig.call.playout.first_sent_at == 1.0


@pytest.mark.parametrize("audible", [None, "resp_2"])
def test_late_audio_of_a_muted_response_is_dropped_and_counted(audible: str | None) -> None:
    """It never reaches the phone; the ledger keeps how much of the item was withheld."""
    rig = Rig()
    rig.gate.audible_response_id = audible
    rig.relay.from_model(delta(b"\x01" * 80), 1.0)
    assert rig.to_phone == []
    assert (rig.tally.deltas_dropped, rig.tally.frames_to_phone) == (1, 0)
    assert rig.call.playout.forget_withheld() == {"item_1": 80}
    assert rig.call.playout.sent_ms("item_1") == 0


def test_an_empty_delta_is_not_sent() -> None:
    """Twilio would have nothing to play, and no mark is owed for it."""
    rig = Rig()
    rig.relay.from_model(delta(b""), 1.0)
    assert rig.to_phone == []
    assert rig.call.playout.first_sent_at is None


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=30))
def test_a_mark_follows_every_200_ms_of_audio(sizes: list[int]) -> None:
    """Right behind the delta that fills the measure; names are never used twice."""
    rig = Rig()
    for size in sizes:
        rig.relay.from_model(delta(b"\xff" * size), 1.0)
    unmarked, largest, names = 0, max(sizes), []
    for message in rig.to_phone:
        if message["event"] == "media":
            assert unmarked < 1600
            unmarked += len(base64.b64decode(message["media"]["payload"]))
        else:
            assert message["streamSid"] == STREAM
            assert 1600 <= unmarked < 1600 + largest
            names.append(message["mark"]["name"])
            unmarked = 0
    assert unmarked < 1600
    assert all(first != second for first, second in pairwise(names))


def test_pieces_of_the_transcript_are_noted_and_decide_nothing() -> None:
    """A session may be lost before the whole is told."""
    rig = Rig()
    rig.call.transcript.agent_began("i", None, 0.0)
    for piece in ("Hel", "lo"):
        text = {"type": "response.output_audio_transcript.delta", "delta": piece, "item_id": "i"}
        assert rig.relay.from_model(json.dumps({**text, "response_id": "r"}), 1.0) is None
    assert rig.call.transcript.heard_words("i") == "Hello"


def test_audio_and_words_with_an_odd_field_pass_all_the_same() -> None:
    """They do not become events of the machine, which has no ear for them."""
    rig = Rig()
    rig.call.transcript.agent_began("item_1", None, 0.0)
    odd = json.loads(delta(b"\x01")) | {"content_index": None}
    words = {"type": "response.output_audio_transcript.delta", "delta": None, "item_id": "item_1"}
    assert rig.relay.from_model(json.dumps(odd), 1.0) is rig.relay.from_model(json.dumps(words), 1.0) is None
    assert rig.phone_audio == b"\x01"


def test_audio_that_nobody_would_say_is_told_with_a_mark() -> None:
    """Every delta is checked no later than 200 ms after the bound; nothing of it is kept back."""
    rig = Rig(limits=Limits(unheard_ms_max=1000))
    told = [rig.relay.from_model(delta(silence(100)), 1.0) for _ in range(14)]
    assert told == [None] * 11 + [AnswerRanAway(), None, AnswerRanAway()]
    assert rig.phone_audio == silence(1400)


def told(whose: Leg, text: str | bytes) -> object:
    """What the machine is told of a message on a leg."""
    relay = Rig().relay
    if whose is Leg.MODEL:
        return relay.from_model(text, 1.0)
    return relay.from_phone(text) if whose is Leg.PHONE else relay.from_spare(text)


@pytest.mark.parametrize(
    ("whose", "text", "event"),
    [
        (Leg.PHONE, '{"event":"mark","mark":{"name":"0-1"}}', MarkEchoed(media_streams.MarkName("0-1"))),
        (Leg.PHONE, '{"event":"stop"}', media_streams.Stopped()),
        (Leg.PHONE, '{"event":"dtmf","dtmf":{"digit":"5"}}', media_streams.Dtmf(media_streams.Key("5"))),
        (Leg.PHONE, '{"event":"new"}', media_streams.UnknownMessage("new")),
        (Leg.MODEL, SPEECH_STARTED, realtime_events.SpeechStarted("i", 7)),
        (Leg.MODEL, AUDIO_DONE, realtime_events.AudioDone("r", "i")),
        (Leg.MODEL, '{"type":"response.dreamed"}', realtime_events.UnknownEvent("response.dreamed")),
        (Leg.SPARE, SPEECH_STARTED, SpareSaid(realtime_events.SpeechStarted("i", 7))),
        (
            Leg.SPARE,
            '{"type":"response.dreamed"}',
            SpareSaid(realtime_events.UnknownEvent("response.dreamed")),
        ),
    ],
)
def test_what_is_not_audio_is_for_the_machine(whose: Leg, text: str, event: object) -> None:
    assert told(whose, text) == event


WRONG = ["", b"\xff", "{", "[]"]


@pytest.mark.parametrize(
    ("whose", "text"),
    [
        *[(whose, text) for whose in (Leg.PHONE, Leg.MODEL, Leg.SPARE) for text in WRONG],
        (Leg.PHONE, '{"event":"media"}'),
        (Leg.PHONE, '{"event":"media","media":{"payload":"*"}}'),
        (Leg.MODEL, '{"type":"response.output_audio.delta"}'),
        (Leg.MODEL, delta(b"")[:-1]),
    ],
)
def test_what_a_peer_says_wrong_is_its_bad_message(whose: Leg, text: str | bytes) -> None:
    """Never an exception in the reader's face."""
    event = told(whose, text)
    assert isinstance(event, BadMessage)
    assert event.leg is whose
    assert not event.is_fatal


def test_not_even_the_audio_of_the_spare_passes() -> None:
    rig = Rig()
    assert isinstance(rig.relay.from_spare(delta(b"\x01")), SpareSaid)
    assert rig.to_phone == []


def test_a_clip_goes_to_the_phone_with_a_mark_of_its_own() -> None:
    """One message, however long; its echo tells when it was heard. The agent has said nothing by it."""
    rig = Rig()
    clip = bytes(range(256)) * 40
    rig.relay.play_clip(clip, 1.0)
    assert [message["event"] for message in rig.to_phone] == ["media", "mark"]
    assert rig.phone_audio == clip
    assert rig.call.playout.unheard_ms(1.0) == 1280
    assert rig.call.playout.began_at is None
    assert rig.call.playout.echoed(rig.to_phone[1]["mark"]["name"], 2.5)
    assert rig.call.playout.is_drained
    assert rig.tally.frames_to_phone == 0


def test_everything_from_the_model_counts_as_a_sign_of_life() -> None:
    """The watchdog of the answer reads this."""
    rig = Rig()
    texts = (delta(b"\x01"), "{", '{"type":"response.dreamed"}', '{"type":"rate_limits.updated"}')
    for now, text in enumerate(texts, start=1):
        rig.relay.from_model(text, float(now))
        assert rig.tally.from_model_at == now


LOUD, QUIET = bytes((0x10, 0x90)) * 80, silence(20)


def test_a_caller_who_is_loud_is_told_of_unless_the_model_hears_them() -> None:
    """After 1.5 s, and again after as much more."""
    rig = Rig()
    told = [rig.relay.from_phone(media(LOUD)) for _ in range(160)]
    assert [place for place, event in enumerate(told) if event is not None] == [74, 148]
    rig.gate.model_hears = True
    assert {rig.relay.from_phone(media(LOUD)) for _ in range(200)} == {None}


def test_what_the_caller_said_to_a_dead_session_goes_to_the_next_one() -> None:
    """From the first loud frame on, before what they have said since; never without being asked for."""
    for resends, kept in ((True, 50), (False, 0)):
        rig = Rig()
        for payload in [QUIET] * 20 + [LOUD] * 50:
            rig.relay.from_phone(media(payload))
        rig.to_model.clear()
        rig.gate.uplink, rig.gate.resends = Uplink.HELD, resends
        rig.relay.from_phone(media(QUIET))
        rig.gate.uplink = Uplink.OPEN
        rig.relay.open_uplink()
        assert rig.model_audio in (LOUD * kept + QUIET, LOUD * (kept - 1) + QUIET)


def test_a_word_that_the_model_did_not_hear_is_told_of_and_kept_for_two_seconds() -> None:
    """It is known by then whether the session is dead. One that was heard is neither."""
    for is_heard, waits, told, kept in (
        (False, 70, [CallerWasLoud(600)], 30),
        (False, 130, [CallerWasLoud(600)], 0),
        (True, 70, [], 0),
    ):
        rig = Rig()
        rig.gate.model_hears = is_heard
        events = [rig.relay.from_phone(media(payload)) for payload in [LOUD] * 30]
        rig.gate.model_hears = False
        events += [rig.relay.from_phone(media(payload)) for payload in [QUIET] * (30 + waits)]
        assert [event for event in events if event is not None] == told
        rig.to_model.clear()
        rig.gate.uplink, rig.gate.resends = Uplink.HELD, True
        # The next session is there before the next frame.
        rig.gate.uplink = Uplink.OPEN
        rig.relay.open_uplink()
        assert rig.model_audio.count(LOUD) in {kept, max(kept - 1, 0)}


def test_what_is_kept_of_the_caller_is_bounded() -> None:
    """Eight seconds; what comes after it is held on top of that."""
    rig = Rig()
    words = [LOUD] * 12 + [QUIET] * 3
    for payload in words * 30:
        rig.relay.from_phone(media(payload))
    rig.to_model.clear()
    rig.gate.uplink, rig.gate.resends, rig.gate.held_ms_max = Uplink.HELD, True, 100
    for payload in words * 2:
        rig.relay.from_phone(media(payload))
    rig.relay.open_uplink()
    assert len(rig.model_audio) == (400 + 5) * 160


def test_a_pause_between_words_ends_nothing_and_half_a_second_of_quiet_does() -> None:
    """What was said and answered, or was nothing, is not kept for a later session."""
    rig = Rig()
    for payload in [LOUD] * 40 + [QUIET] * 20 + [LOUD] * 10:
        rig.relay.from_phone(media(payload))
    assert rig.tally.loudness.loud_for in range(48, 53)
    for _ in range(30):
        rig.relay.from_phone(media(QUIET))
    assert rig.tally.loudness.loud_for == 0
