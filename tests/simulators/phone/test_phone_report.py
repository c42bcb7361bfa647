"""The report and the recording of a call, from the journals of its streams."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path

import pytest

from callbridge.simulators.audio import decode_mulaw
from callbridge.simulators.phone import report as rep
from callbridge.simulators.phone.caller import Interrupt, InterruptAt, Say, Step, WaitForEnd
from callbridge.simulators.phone.carrier_codes import Complaint, Level
from callbridge.simulators.phone.recording import tracks, write_recording
from callbridge.simulators.phone.stream import PhoneStream
from phone_driver import LOUD, mark, media, message, new_stream

AGENT, CALLER = b"\x20" * 8, LOUD


def talk(*steps: Step, until: float = 3.0, cleared_at: float | None = None) -> PhoneStream:
    """Two seconds of agent from 0.5 s, cleared at a moment, in a stream that opens at 10 s."""
    stream = new_stream(*steps)
    stream.open(10.0)
    stream.wake(10.5)
    stream.receive(media(2000, AGENT), 10.5)
    stream.receive(mark("m"), 10.5)
    if cleared_at is not None:
        stream.wake(10 + cleared_at)
        stream.receive(message("clear"), 10 + cleared_at)
    stream.wake(10 + until)
    stream.peer_closed(1000, "done", 10 + until)
    return stream


def test_reports_what_was_heard() -> None:
    report = rep.stream_report(talk(WaitForEnd()), placed_at=9.5)
    assert (report.opened_ms, report.duration_ms) == (500, 3000)
    assert (report.media_received, report.media_received_ms, report.heard_ms) == (1, 2000, 2000)
    assert (report.first_audio_from_call_ms, report.first_audio_from_start_ms) == (1000, 500)
    assert (report.marks_received, report.marks_echoed) == (1, 1)
    assert report.frames_sent == (3000 - 99) // 20 + 1
    assert (report.ended_by, report.close_code, report.close_reason) == ("bridge", 1000, "done")
    assert report.clears == []


def test_reports_what_was_not_heard() -> None:
    report = rep.stream_report(talk(WaitForEnd(), until=1.5), placed_at=10.0)
    assert (report.heard_ms, report.unheard_at_end_ms, report.marks_echoed) == (1000, 1000, 0)


def test_reports_an_interruption_and_its_clear() -> None:
    stream = talk(Interrupt(400, CALLER * 500), WaitForEnd(), cleared_at=1.25)
    report = rep.stream_report(stream, placed_at=10.0)
    assert report.clears == [rep.ClearReport(1250, 1250)]
    assert (report.heard_ms, report.cleared_ms) == (750, 1250)
    (interruption,) = report.interruptions
    assert interruption == rep.InterruptionReport(
        caller_started_ms=interruption.caller_started_ms,
        agent_silent_ms=1250,
        stop_ms=1250 - interruption.caller_started_ms,
        was_cleared=True,
    )
    assert 860 <= interruption.caller_started_ms <= 940


@pytest.mark.parametrize(
    ("steps", "cleared_at", "until", "later", "expected"),
    [
        ((WaitForEnd(),), None, 6.0, None, (2000, 2000)),
        ((WaitForEnd(),), 1.25, 6.0, 1.3, (2000, 750)),  # What comes after a clear is another answer.
        ((WaitForEnd(),), None, 1.5, None, (2000, 1000)),  # The call ended in its midst.
        ((WaitForEnd(),), None, 6.0, 2.9, (3000, 3000)),  # A short pause.
        ((WaitForEnd(),), None, 6.0, 4.1, (2000, 2000)),  # A long one.
        ((Interrupt(400, CALLER * 500), WaitForEnd()), None, 6.0, 2.4, (2000, 2000)),  # An answer.
        ((InterruptAt(0.1, CALLER * 300), WaitForEnd()), None, 6.0, 2.4, (3000, 3000)),  # "Hello?"
    ],
)
def test_how_much_of_the_greeting_was_heard(
    steps: tuple[Step, ...],
    cleared_at: float | None,
    until: float,
    later: float | None,
    expected: tuple[int, int],
) -> None:
    stream = new_stream(*steps)
    stream.open(10.0)
    stream.wake(10.5)
    stream.receive(media(2000, AGENT), 10.5)
    if cleared_at is not None:
        stream.receive(message("clear"), 10 + cleared_at)
    if later is not None:
        stream.receive(media(1000, AGENT), 10 + later)
    stream.wake(10 + until)
    stream.peer_closed(1000, "", 10 + until)
    greeting = rep.greeting_report(stream, placed_at=9.0)
    assert greeting == rep.GreetingReport(1500, *expected)


def test_a_clip_is_no_greeting() -> None:
    stream = new_stream(WaitForEnd(), clips=(AGENT * 100,))
    stream.open(10.0)
    stream.receive(media(100, AGENT), 10.5)
    stream.wake(12.0)
    stream.receive(media(300, b"\x21" * 8), 12.0)
    stream.peer_closed(1000, "", 13.0)
    assert rep.greeting_report(stream, placed_at=10.0) == rep.GreetingReport(2000, 300, 300)


def test_who_heard_only_a_clip_heard_no_greeting() -> None:
    stream = new_stream(WaitForEnd(), clips=(AGENT * 100,))
    stream.open(10.0)
    stream.receive(media(100, AGENT), 10.5)
    stream.peer_closed(1000, "", 12.0)
    assert rep.greeting_report(stream, placed_at=10.0) is None


def test_a_stream_that_never_opened() -> None:
    stream = new_stream()
    stream.fail(31902, "refused", 10.0)
    report = rep.stream_report(stream, placed_at=9.0)
    assert (report.opened_ms, report.frames_sent, report.ended_by) == (None, 0, "nobody")


def test_warnings_are_counted_by_code_and_level() -> None:
    complaints = [
        Complaint(31951, "first", 10.5),
        Complaint(31921, "close code 1000", 11.0, Level.NOTICE),
        Complaint(31951, "second", 12.0),
        Complaint(31921, "close code 1011", 13.0),
    ]
    warnings = rep.carrier_warnings(complaints, placed_at=10.0)
    assert [(item.code, item.level, item.count, item.detail) for item in warnings] == [
        (31951, "warning", 2, "first"),
        (31921, "notice", 1, "close code 1000"),
        (31921, "error", 1, "close code 1011"),
    ]
    assert warnings[0].first_at_ms == 500


def test_the_recording_has_the_caller_left_and_what_was_heard_right() -> None:
    stream = talk(Interrupt(400, CALLER * 100), WaitForEnd(), cleared_at=1.25)
    caller, agent = tracks([stream])
    assert agent.count(b"\x20") == 750 * 8
    assert agent.index(b"\x20") == 500 * 8
    started_ms = (stream.interruptions[0].caller_started_at - 10.0) * 1000
    assert caller.index(b"\x10") == round(started_ms * 8)
    assert caller.count(b"\x10") == 800


def test_two_streams_share_one_time_line() -> None:
    first, second = talk(WaitForEnd()), talk(Say(CALLER * 20), WaitForEnd())
    assert second.opened_at is not None
    late = new_stream(Say(CALLER * 20))
    late.open(20.0)
    late.wake(20.3)
    caller, agent = tracks([first, late])
    assert caller.index(b"\x10") == (10_000 + 79) * 8
    assert agent.count(b"\x20") == 2000 * 8


def test_a_call_without_a_stream_has_an_empty_recording(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.wav", [])
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        assert file.getnframes() == 0


def test_the_recording_is_a_stereo_wave_file(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.wav", [talk(Say(CALLER * 100), WaitForEnd())])
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        assert file.getnchannels() == 2
        samples = array("h", file.readframes(file.getnframes()))
    left, right = samples[0::2], samples[1::2]
    assert left[79 * 8] == decode_mulaw(b"\x10")[0]
    assert right[600 * 8] == decode_mulaw(b"\x20")[0]
