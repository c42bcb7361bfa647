"""One media socket in virtual time."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.phone import caller as line
from callbridge.simulators.phone import events as ev
from callbridge.simulators.phone.carrier_codes import CARRIER_CODES, Level
from callbridge.simulators.phone.stream import Abort, Close, Send
from phone_driver import LOUD, SID, ZERO, PhoneDriver, mark, media, message, new_stream


def test_sends_a_frame_each_20_ms_silence_included() -> None:
    world = PhoneDriver(new_stream()).run_to(1099)
    frames = world.sent_of("media")
    assert [at for at, _ in frames] == [99 + 20 * n for n in range(51)]
    assert [fields["media"]["timestamp"] for _, fields in frames[:3]] == ["99", "119", "139"]
    assert [fields["media"]["chunk"] for _, fields in frames[:3]] == ["1", "2", "3"]
    assert [fields["sequenceNumber"] for _, fields in frames[:3]] == ["2", "3", "4"]
    assert base64.b64decode(frames[0][1]["media"]["payload"]) == b"\xff" * 160


def test_sequence_numbers_are_shared_and_chunks_count_media_only() -> None:
    world = PhoneDriver(new_stream(line.Press("5"), line.WaitForEnd())).run_to(110)
    world.say(mark("m")).run_to(120)
    world.take(world.stream.hang_up(world.now))
    assert [
        (fields["event"], fields["sequenceNumber"], fields.get("media", {}).get("chunk"))
        for _, fields in world.sent[1:]
    ] == [
        ("start", "1", None),
        ("media", "2", "1"),
        ("dtmf", "3", None),
        ("mark", "4", None),
        ("media", "5", "2"),
        ("stop", "6", None),
    ]


def test_a_late_wake_sends_what_is_due_at_once_with_its_own_timestamps() -> None:
    stream = new_stream()
    stream.open(ZERO)
    outputs = stream.wake(ZERO + 0.160)
    stamps = [json.loads(o.text)["media"]["timestamp"] for o in outputs if isinstance(o, Send)]
    assert stamps == ["99", "119", "139", "159"]
    assert stream.frames_sent_at == [ZERO + 0.160] * 4


def test_speech_goes_out_padded_to_whole_frames() -> None:
    world = PhoneDriver(new_stream(line.Say(LOUD * 30), line.HangUp())).run_to(1000)
    payloads = [base64.b64decode(f["media"]["payload"]) for _, f in world.sent_of("media")]
    assert payloads == [LOUD * 20, LOUD * 10 + b"\xff" * 80]
    assert bytes(world.stream.caller_audio) == b"".join(payloads)


def test_marks_come_back_at_their_byte() -> None:
    world = PhoneDriver(new_stream()).run_to(1000)
    world.say(media(50), mark("a"), media(25), mark("b")).run_to(2000)
    assert world.echoes() == [(1050, "a"), (1075, "b")]


def test_a_clear_brings_all_marks_back_at_once_and_in_order() -> None:
    world = PhoneDriver(new_stream()).run_to(1000)
    world.say(media(5000), mark("a"), media(5000), mark("b")).run_to(1300)
    world.say(message("clear"))
    assert world.echoes() == [(1300, "a"), (1300, "b")]
    clear = world.stream.playback.clears[0]
    assert (clear.discarded_bytes, clear.marks) == (9700 * 8, ("a", "b"))
    assert world.stream.playback.heard_bytes(world.now) == 300 * 8


def test_marks_and_frames_keep_their_order_after_a_late_wake() -> None:
    stream = new_stream()
    stream.open(ZERO)
    stream.receive(media(110), ZERO)
    stream.receive(mark("a"), ZERO)
    outputs = stream.wake(ZERO + 0.125)
    assert [output.event for output in outputs if isinstance(output, Send)] == ["media", "mark", "media"]
    assert stream.playback.marks[0].echoed_at == ZERO + 0.125
    assert stream.playback.marks[0].due_at == pytest.approx(ZERO + 0.110)


def test_a_message_finds_everything_done_that_was_due_before_it() -> None:
    """A clear that comes with a late wake does not clear a mark that had been played."""
    stream = new_stream()
    stream.open(ZERO)
    stream.receive(media(50), ZERO)
    stream.receive(mark("a"), ZERO)
    outputs = stream.receive(message("clear"), ZERO + 0.105)
    assert [output.event for output in outputs if isinstance(output, Send)] == ["mark", "media"]
    assert not stream.playback.marks[0].was_cleared


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\x00", 31950),
        (message("clear", track="inbound"), 31951),
        (message("clear").replace(SID, "MZ9"), 31951),
        (message("media", media={"payload": "?"}), 31951),
    ],
)
def test_a_bad_message_is_reported_and_ignored(text: str | bytes, code: int) -> None:
    world = PhoneDriver(new_stream()).run_to(500).say(media(1000))
    world.say(text, text)
    assert world.codes() == [code, code]
    assert world.stream.is_open
    assert world.stream.playback.clears == []
    assert world.run_to(2000).stream.playback.heard_bytes(world.now) == 8000


def test_more_than_ten_minutes_waiting_is_31931() -> None:
    world = PhoneDriver(new_stream()).run_to(200)
    world.say(media(599_000), media(2000), media(20))
    assert world.codes() == [31931, 31931]
    assert world.stream.complaints[0].detail == "1000 ms did not fit into the buffer"


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_deliberate_close_is_31921_as_a_notice(code: int) -> None:
    world = PhoneDriver(new_stream()).run_to(500)
    world.stream.peer_closed(code, "bye", world.now)
    assert [(item.code, item.level) for item in world.stream.complaints] == [(31921, Level.NOTICE)]
    assert world.stream.end is not None
    assert (world.stream.end.code, world.stream.end.by_whom) == (code, "bridge")
    assert world.stream.end.fault is None


@pytest.mark.parametrize(
    ("close_code", "code", "by_whom"),
    [(1011, 31921, "bridge"), (1012, 31921, "bridge"), (1006, 31903, "network"), (None, 31903, "network")],
)
def test_a_failing_close_is_an_error(close_code: int | None, code: int, by_whom: str) -> None:
    world = PhoneDriver(new_stream()).run_to(500)
    world.stream.peer_closed(close_code, "", world.now)
    end = world.stream.end
    assert end is not None
    assert end.by_whom == by_whom
    assert end.fault is not None
    assert end.fault[0] == code
    assert CARRIER_CODES[code].level is Level.ERROR
    assert world.stream.complaints[0].level is None


def test_a_broken_protocol_is_31924_and_ends_the_stream() -> None:
    world = PhoneDriver(new_stream()).run_to(500)
    world.stream.protocol_broken("fragmented control frame", world.now)
    assert world.codes() == [31924]
    assert not world.stream.is_open


def test_every_code_that_can_be_reported_has_a_meaning_and_a_remedy() -> None:
    for code, explained in CARRIER_CODES.items():
        assert explained.meaning, code
        assert explained.remedy, code


def test_hanging_up_sends_stop_and_closes() -> None:
    world = PhoneDriver(new_stream(line.Pause(200), line.HangUp())).run_to(5000)
    assert world.sent[-1][1]["event"] == "stop"
    assert world.others == [Close(1000, "")]
    end = world.stream.end
    assert end is not None
    assert (end.by_whom, end.code) == ("caller", 1000)
    assert world.stream.deadline is None


def test_vanishing_sends_nothing() -> None:
    world = PhoneDriver(new_stream(line.Vanish())).run_to(5000)
    assert world.others == [Abort()]
    assert [fields["event"] for _, fields in world.sent] == ["connected", "start"]


def test_after_its_end_a_stream_swallows_everything() -> None:
    world = PhoneDriver(new_stream(line.HangUp())).run_to(1000)
    stream, now = world.stream, world.now
    assert stream.receive(media(20), now) == []
    assert stream.receive(b"", now) == []
    assert stream.wake(now) == []
    assert stream.press("1", now) == []
    assert stream.hang_up(now) == []
    assert stream.vanish(now) == []
    end = stream.end
    stream.peer_closed(1011, "", now)
    stream.protocol_broken("", now)
    assert stream.end is end
    assert stream.complaints == []


def test_audio_that_was_not_played_is_lost_at_the_end() -> None:
    world = PhoneDriver(new_stream()).run_to(500).say(media(1000)).run_to(900)
    world.stream.peer_closed(1000, "", world.now)
    assert world.stream.end is not None
    assert world.stream.end.unheard_bytes == 600 * 8
    assert world.stream.playback.heard_bytes(world.now + 9) == 400 * 8


def test_a_stream_that_could_not_be_opened() -> None:
    stream = new_stream()
    stream.fail(31920, "status 403", ZERO)
    assert stream.end is not None
    assert (stream.end.by_whom, stream.end.fault) == ("nobody", (31920, "status 403"))
    assert stream.wake(ZERO) == []


def test_only_keys_of_a_telephone_can_be_pressed() -> None:
    world = PhoneDriver(new_stream())
    with pytest.raises(ValueError, match="not a key"):
        world.stream.press("12", world.now)


def test_a_conversation_as_the_watcher_sees_it() -> None:
    steps = (line.WaitForAgent(quiet_ms=500), line.Say(LOUD * 200), line.Press("9"), line.WaitForEnd())
    world = PhoneDriver(new_stream(*steps)).run_to(300).say(media(400)).run_to(3000)
    world.stream.peer_closed(1000, "", world.now)
    told = [(type(event), round((event.at - ZERO) * 1000)) for event in world.stream.take_events()]
    assert told == [
        (ev.StreamStarted, 0),
        (ev.AgentAudioStarted, 299),
        (ev.AgentAudioStopped, 719),
        (ev.CallerSpeaking, 1199),
        (ev.KeyPressed, 1419),
        (ev.CallerSilent, 1399),
        (ev.Complained, 3000),
        (ev.StreamEnded, 3000),
    ]
    assert world.stream.take_events() == []


def test_an_interruption_ends_with_the_clear() -> None:
    steps = (line.Interrupt(500, LOUD * 300), line.WaitForEnd())
    world = PhoneDriver(new_stream(*steps)).run_to(200).say(media(5000)).run_to(1000)
    world.say(message("clear")).run_to(3000)
    assert len(world.stream.interruptions) == 1
    interruption = world.stream.interruptions[0]
    assert round((interruption.caller_started_at - ZERO) * 1000) in range(680, 721)
    assert interruption.agent_silent_at == pytest.approx(ZERO + 1.0)
    assert interruption.was_cleared
    assert ev.Cleared(world.stream.playback.clears[0].at, 4200) in world.stream.take_events()


def test_an_interruption_without_a_clear_ends_when_the_agent_is_done() -> None:
    for spoken_ms, silent_at in ((2000, pytest.approx(ZERO + 2.2, abs=0.021)), (9000, None)):
        steps = (line.Interrupt(500, LOUD * 300), line.WaitForEnd())
        world = PhoneDriver(new_stream(*steps)).run_to(200).say(media(spoken_ms)).run_to(4000)
        (interruption,) = world.stream.interruptions
        assert (interruption.agent_silent_at, interruption.was_cleared) == (silent_at, False)


def test_silence_that_a_bridge_sends_is_not_taken_for_speech() -> None:
    """Many bridges send silence all the time; a caller would else wait for ever."""
    steps = (line.WaitForAgent(quiet_ms=300), line.Say(LOUD * 100), line.WaitForEnd())
    world = PhoneDriver(new_stream(*steps)).run_to(200)
    world.say(media(500), media(60_000, b"\xff" * 8)).run_to(3000)
    spoke = [event for event in world.stream.take_events() if isinstance(event, ev.CallerSpeaking)]
    assert [round((event.at - ZERO) * 1000, -2) for event in spoke] == [1000]
    assert world.stream.interruptions == []


def test_the_longest_silence_counts_both_sides() -> None:
    steps = (line.InterruptAt(2.0, LOUD * 1000), line.WaitForEnd())
    world = PhoneDriver(new_stream(*steps)).run_to(500).say(media(1000)).run_to(4500)
    # Silent before 0.5 s, from 1.5 s to 2 s, and from 3 s on.
    assert world.stream.longest_silence_s == pytest.approx(1.5, abs=0.04)


@given(
    deeds=st.lists(
        st.tuples(st.floats(0, 200), st.sampled_from(["media", "mark", "clear", "junk", "binary"])),
        max_size=20,
    ),
    size=st.integers(1, 150),
)
def test_frames_stay_on_time_whatever_the_bridge_does(deeds: list[tuple[float, str]], size: int) -> None:
    """Cadence, sequence and chunks are contiguous; every mark is echoed once; heard ≤ received."""
    world = PhoneDriver(new_stream())
    texts: dict[str, str | bytes] = {
        "media": media(size), "clear": message("clear"), "junk": "?", "binary": b"?", "mark": mark("m"),
    }  # fmt: skip
    at_ms = 0.0
    for gap_ms, kind in deeds:
        at_ms += gap_ms
        world.run_to(at_ms).say(texts[kind])
    world.run_to(at_ms + 20 * 150)
    frames = world.sent_of("media")
    assert [at for at, _ in frames] == [99 + 20 * n for n in range(len(frames))]
    numbers = [int(fields["sequenceNumber"]) for _, fields in world.sent[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(world.echoes()) == sum(kind == "mark" for _, kind in deeds)
    playback = world.stream.playback
    assert 0 <= playback.heard_bytes(world.now) <= playback.received_bytes
    assert len(world.codes()) == sum(kind in {"junk", "binary"} for _, kind in deeds)
