"""Dead air over a whole call: gaps between sounds, whoever made them and whichever stream they were on."""

from __future__ import annotations

import pytest

from callbridge.simulators.phone.caller import Interrupt, InterruptAt, Pause, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.report import SilenceReport, longest_silence_ms, resumed_ms, silence_reports
from callbridge.simulators.phone.silence import (
    Silence,
    Sound,
    heard,
    is_callers_turn,
    longest_wait_s,
    resumed_after,
    silences,
)
from callbridge.simulators.phone.stream import PhoneStream
from phone_driver import LOUD, media, message, new_stream

QUIET = b"\xff" * 8


@pytest.mark.parametrize(
    ("sounds", "expected"),
    [
        ([], [Silence(10, 20, "answer", "end")]),
        ([Sound(10, 20, "agent")], []),
        (
            [Sound(12, 14, "agent")],
            [Silence(10, 12, "answer", "agent"), Silence(14, 20, "agent", "end")],
        ),
        (
            [Sound(16, 17, "caller"), Sound(12, 14, "agent")],
            [
                Silence(10, 12, "answer", "agent"),
                Silence(14, 16, "agent", "caller"),
                Silence(17, 20, "caller", "end"),
            ],
        ),
        ([Sound(10, 18, "agent"), Sound(12, 13, "caller")], [Silence(18, 20, "agent", "end")]),
        ([Sound(10, 14, "agent"), Sound(13, 16, "caller")], [Silence(16, 20, "caller", "end")]),
        ([Sound(15, 15, "<Say>")], [Silence(10, 15, "answer", "<Say>"), Silence(15, 20, "<Say>", "end")]),
        ([Sound(18, 25, "agent")], [Silence(10, 18, "answer", "agent")]),
        ([Sound(21, 25, "agent")], [Silence(10, 20, "answer", "end")]),
    ],
)
def test_silences_are_the_gaps(sounds: list[Sound], expected: list[Silence]) -> None:
    assert silences(sounds, 10, 20) == expected


@pytest.mark.parametrize(
    ("after", "before", "turns", "expected"),
    [
        ("agent", "caller", [], True),
        ("agent", "hang-up", [], True),
        ("agent", "agent", [], False),
        ("agent", "end", [], False),
        ("caller", "agent", [], False),
        ("caller", "hang-up", [], False),
        ("answer", "caller", [], False),
        ("clip", "caller", [], False),
        ("<Say>", "caller", [], False),
        ("agent", "agent", [Sound(11, 12, "caller")], True),
        ("agent", "agent", [Sound(9, 10, "caller"), Sound(14, 15, "caller")], False),
    ],
)
def test_whose_turn_a_silence_was(after: str, before: str, turns: list[Sound], expected: bool) -> None:
    assert is_callers_turn(Silence(10, 14, after, before), turns) == expected


def test_what_was_heard_is_told_without_the_pauses_between_words() -> None:
    sounds = [
        Sound(5.0, 6.0, "clip"),
        Sound(1.0, 1.2, "agent"),
        Sound(1.5, 2.0, "agent"),
        Sound(1.3, 4.0, "caller"),
        Sound(2.5, 3.0, "agent"),
        Sound(6.0, 6.5, "agent"),
    ]
    assert [(one.start, one.end, one.source) for one in heard(sounds)] == [
        (1.0, 2.0, "agent"),
        (2.5, 3.0, "agent"),
        (5.0, 6.0, "clip"),
        (6.0, 6.5, "agent"),
    ]


@pytest.mark.parametrize(
    ("ends", "sounds", "expected"),
    [
        ([], [], []),
        ([10.0], [Sound(11, 12, "agent")], []),
        ([10.0, 20.0], [Sound(9, 10, "agent"), Sound(11.5, 12, "agent")], [1.5]),
        ([10.0, 20.0], [Sound(10.5, 11, "caller"), Sound(13, 14, "agent")], [3.0]),
        ([10.0, 20.0], [Sound(10.25, 11, "<Say>"), Sound(13, 14, "agent")], [0.25]),
        ([10.0, 20.0, 30.0], [Sound(21, 22, "agent")], [11.0, 1.0]),
        ([10.0, 20.0], [Sound(5, 6, "agent")], [None]),
    ],
)
def test_a_call_resumes_with_the_next_sound(
    ends: list[float], sounds: list[Sound], expected: list[float | None]
) -> None:
    assert resumed_after(ends, sounds) == expected


def test_the_report_lists_long_silences_and_knows_the_longest() -> None:
    quiet = [
        Silence(100.0, 101.499, "answer", "agent"),
        Silence(103.0, 104.5, "agent", "caller"),
        Silence(106, 109.25, "caller", "end"),
    ]
    assert silence_reports(quiet, [], 99.0) == [
        SilenceReport(4000, 5500, "agent", "caller", is_callers_turn=True),
        SilenceReport(7000, 10250, "caller", "end", is_callers_turn=False),
    ]
    assert longest_silence_ms(quiet) == 3250
    assert longest_silence_ms([]) == 0
    assert resumed_ms([1.5, None]) == [1500, None]


def spans(stream: PhoneStream) -> list[tuple[float, float, str]]:
    return [(round(one.start, 3), round(one.end, 3), one.source) for one in stream.sounds.all]


def test_a_stream_notes_what_is_heard_and_not_what_is_queued() -> None:
    """Audible agent audio by playback: silence that a bridge sends is none, and a clear ends it."""
    stream = new_stream(WaitForEnd())
    stream.open(0.0)
    stream.wake(0.5)
    stream.receive(media(1, QUIET * 499 + LOUD * 3000), 0.5)
    stream.wake(1.399)
    stream.receive(message("clear"), 1.399)
    stream.wake(2.0)
    assert spans(stream) == [(0.999, 1.399, "agent")]


def test_a_stream_notes_the_caller_too() -> None:
    stream = new_stream(InterruptAt(0.5, LOUD * 100))
    stream.open(0.0)
    stream.wake(1.0)
    assert spans(stream) == [(0.499, 0.599, "caller")]


def test_what_is_heard_after_the_last_frame_counts() -> None:
    """A stream that ends between two frames was heard to its end."""
    stream = new_stream(Interrupt(10_000, LOUD), WaitForEnd())
    stream.open(0.0)
    stream.wake(0.499)
    stream.receive(media(3000), 0.5)
    stream.wake(1.0)
    stream.peer_closed(1000, "", 1.011)
    (heard,) = spans(stream)
    assert heard == (0.499, 1.011, "agent")


def test_a_clip_is_told_from_the_agent() -> None:
    """Frames of what the bridge plays of its own, and the agent's voice right behind them."""
    clip = LOUD * 200 + b"\x25" * 800
    stream = new_stream(WaitForEnd(), clips=(clip,))
    stream.open(0.0)
    stream.wake(0.099)
    stream.receive(media(1, clip[:1600]), 0.099)
    stream.receive(media(1, clip[1600:]), 0.099)
    stream.receive(media(100), 0.099)
    stream.receive(media(1, b"\x22" * 800), 0.099)
    stream.wake(2.0)
    assert spans(stream) == [(0.099, 0.499, "clip"), (0.499, 0.599, "agent")]


def test_a_pause_after_the_agents_words_is_the_callers_own() -> None:
    """And one after the caller's own words is not: they wait for an answer."""
    stream = new_stream(WaitForAgent(200), Pause(1000), Say(LOUD * 100), Pause(1000))
    stream.open(0.0)
    stream.wake(0.099)
    stream.receive(media(300), 0.099)
    stream.wake(4.0)
    assert spans(stream) == [(0.099, 0.399, "agent"), (1.579, 1.679, "caller")]
    assert [(round(one.start, 3), round(one.end, 3)) for one in stream.thinking.all] == [(0.579, 1.579)]


AGENT, RING = Sound(10, 12, "agent"), Sound(13, 17, "<Dial>")


@pytest.mark.parametrize(
    ("sounds", "turns", "seconds"),
    [
        ([], [], 10),
        ([AGENT, RING, Sound(17, 20, "+15550100031")], [], 5),
        ([AGENT, RING], [], 8),
        ([AGENT, Sound(12, 15, "clip"), Sound(16, 20, "<Conference>")], [], 8),
        ([AGENT, Sound(19, 20, "caller")], [], 0),
        ([AGENT, Sound(13, 14, "caller"), Sound(17, 20, "agent")], [], 3),
        ([AGENT, RING, Sound(18, 20, "<Say>")], [], 6),
        ([AGENT, Sound(18, 20, "<Say>")], [Sound(12, 18, "caller")], 0),
    ],
)
def test_a_wait_is_ringing_and_music_and_silence_together(
    sounds: list[Sound], turns: list[Sound], seconds: float
) -> None:
    assert longest_wait_s(sounds, turns, 10, 20, "end") == pytest.approx(seconds)
