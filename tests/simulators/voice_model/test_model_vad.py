"""Turn detection by energy, and the input buffer that turns are taken from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.voice_model import caller_speech
from callbridge.simulators.voice_model import vad as vd
from callbridge.simulators.voice_model.input_buffer import InputBuffer
from callbridge.wire.audio import encode as encode_mulaw
from model_driver import loud, quiet


def sine(decibels: float, duration_ms: int) -> bytes:
    """A 400 Hz tone whose mean square lies at this level against full scale."""
    peak = 32768 * math.sqrt(2) * 10 ** (decibels / 20)
    return encode_mulaw(int(peak * math.sin(2 * math.pi * 400 * n / 8000)) for n in range(8 * duration_ms))


def heard(audio: bytes, **settings: object) -> list[vd.SpeechStarted | vd.SpeechStopped]:
    return vd.EnergyVad(vd.TurnDetection(**settings)).hear(audio)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("threshold", "limit_db"), [(0.0, -60), (0.25, -47.5), (0.5, -35), (0.75, -22.5), (1.0, -10)]
)
def test_the_threshold_is_a_loudness(threshold: float, limit_db: float) -> None:
    """0.5 is -35 dBFS; one and a half decibels above it are speech, below it are none."""
    assert heard(sine(limit_db + 1.5, 200), threshold=threshold)
    assert not heard(sine(limit_db - 1.5, 200), threshold=threshold)


def test_a_click_is_no_speech_but_a_syllable_is() -> None:
    """Two loud windows are too few, three are enough."""
    assert heard(quiet(416) + loud(64) + quiet(1000)) == []
    assert heard(quiet(416) + loud(96))[0] == vd.SpeechStarted(116)


@pytest.mark.parametrize(
    ("before_ms", "padding_ms", "start_ms"), [(1024, 300, 724), (1024, 0, 1024), (96, 300, 0)]
)
def test_the_start_includes_the_padding(before_ms: int, padding_ms: int, start_ms: int) -> None:
    events = heard(quiet(before_ms) + loud(100), prefix_padding_ms=padding_ms)
    assert events == [vd.SpeechStarted(start_ms)]


@pytest.mark.parametrize(("silence_ms", "rounded_ms"), [(200, 224), (500, 512), (896, 896)])
def test_the_end_includes_the_silence(silence_ms: int, rounded_ms: int) -> None:
    """In whole windows: places move in steps of 32 ms."""
    events = heard(quiet(416) + loud(1024) + quiet(2000), silence_duration_ms=silence_ms)
    assert events == [vd.SpeechStarted(116), vd.SpeechStopped(1440 + rounded_ms)]


def test_places_move_in_whole_windows_wherever_the_detector_begins() -> None:
    """The padding left out, as in recorded sessions."""
    vad = vd.EnergyVad(vd.TurnDetection(), from_byte=8 * 1001)
    start, stop = vad.hear(quiet(403) + loud(611) + quiet(700))
    assert isinstance(start, vd.SpeechStarted)
    assert isinstance(stop, vd.SpeechStopped)
    assert (start.audio_start_ms + 300) % 32 == stop.audio_end_ms % 32 == 0


def test_padding_does_not_reach_into_the_turn_before() -> None:
    audio = quiet(416) + loud(320) + quiet(256) + loud(320) + quiet(256)
    events = heard(audio, silence_duration_ms=200)
    assert events[1:3] == [vd.SpeechStopped(960), vd.SpeechStarted(960)]


@pytest.mark.parametrize(
    ("eagerness", "finished_ms", "unfinished_ms"),
    [("low", 1216, 8000), ("medium", 800, 4000), ("auto", 800, 4000), ("high", 416, 2016)],
)
def test_semantic_detection_waits_longer_for_what_sounds_unfinished(
    eagerness: str, finished_ms: int, unfinished_ms: int
) -> None:
    """A sentence is waited for shortly, a mere "uhm" up to the maximum of the eagerness."""
    for speech_ms, wait_ms in ((1024, finished_ms), (320, unfinished_ms)):
        events = heard(quiet(416) + loud(speech_ms) + quiet(9000), kind="semantic_vad", eagerness=eagerness)
        assert events == [vd.SpeechStarted(116), vd.SpeechStopped(416 + speech_ms + wait_ms)]


@given(st.lists(st.integers(1, 700), max_size=20), st.data())
def test_how_the_audio_is_cut_into_appends_makes_no_difference(
    lengths: list[int], data: st.DataObject
) -> None:
    audio = b"".join((loud if data.draw(st.booleans()) else quiet)(length) for length in lengths)
    vad, events, at = vd.EnergyVad(vd.TurnDetection()), [], 0
    while at < len(audio):
        size = data.draw(st.integers(1, 3000))
        events += vad.hear(audio[at : at + size])
        at += size
    assert events == heard(audio)


@pytest.mark.parametrize(
    "name", ["caller_question_hours", "caller_question_cakes", "caller_interrupts", "caller_goodbye"]
)
def test_each_clip_of_the_caller_is_one_turn(name: str) -> None:
    clip = caller_speech(name).audio
    # However impatient the detector, within reason.
    events = heard(quiet(1000) + clip + quiet(1000), silence_duration_ms=360)
    start, _stop = events
    # An "s" or an "h" before the first vowel is too soft to be heard, for up to 130 ms.
    assert isinstance(start, vd.SpeechStarted)
    assert 690 <= start.audio_start_ms <= 830


def test_a_turn_takes_its_audio_and_forgets_what_was_before() -> None:
    """What is taken is exactly the bytes between the two places."""
    buffer = InputBuffer(vd.TurnDetection())
    turns = [
        buffer.take_turn(724, heard.audio_end_ms)
        for heard in buffer.append(quiet(1024) + loud(512) + quiet(800))
        if isinstance(heard, vd.SpeechStopped)
    ]
    assert turns == [quiet(300) + loud(512) + quiet(512)]
    assert buffer.held_ms == 288


def test_an_hour_of_silence_is_not_kept() -> None:
    """Between turns the buffer holds what may become padding, and a second to spare."""
    buffer = InputBuffer(vd.TurnDetection(prefix_padding_ms=500))
    for _ in range(100):
        assert list(buffer.append(quiet(1000))) == []
    assert buffer.held_ms == 1500
    assert buffer.appended_ms == 100_000
    (start,) = buffer.append(loud(100))
    assert start == vd.SpeechStarted(99_500)


@given(
    st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]),
    st.binary(min_size=1, max_size=12).map(lambda codes: (codes * vd.WINDOW_BYTES)[: vd.WINDOW_BYTES]),
)
def test_a_glance_judges_as_the_sum_does(threshold: float, window: bytes) -> None:
    assert vd.loudness(threshold).is_loud(window) == (vd.energy(window) >= vd.energy_limit(threshold))


@pytest.mark.parametrize("loud_samples", range(8))
def test_a_few_loud_samples_are_weighed(loud_samples: int) -> None:
    window = b"\x00" * loud_samples + b"\xff" * (vd.WINDOW_BYTES - loud_samples)
    for threshold in (0.0, 0.5, 0.7, 0.8, 1.0):
        assert vd.loudness(threshold).is_loud(window) == (vd.energy(window) >= vd.energy_limit(threshold))
