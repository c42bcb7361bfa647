"""Frames that the network loses before Twilio gets them, and short sounds that are no words."""

from __future__ import annotations

import json
from itertools import groupby, pairwise
from typing import Any, Literal

import pytest

from callbridge.simulators.phone import (
    CallerScript,
    Interjection,
    Interrupt,
    Losses,
    Lossy,
    PhoneStream,
    Say,
    StreamIdentity,
    Surrounded,
    Surroundings,
    WaitForEnd,
)
from callbridge.simulators.phone.stream import Send
from callbridge.simulators.sounds import SoundKind as Kind
from callbridge.simulators.sounds import dbfs, make_cough, make_sound
from callbridge.wire.audio import FRAME_BYTES, silence
from phone_driver import LOUD, SID, PhoneDriver, media

IDENTITY = StreamIdentity("AC" + "2" * 32, "CA" + "3" * 32, SID)
SPEECH = make_sound(Kind.BABBLE, -20, 8)


def lossy(percent: float, heard_as: Literal["concealed", "silent", "missing"], seed: int = 0) -> PhoneStream:
    losses = Losses(percent, heard_as, seed=seed)
    stream = PhoneStream(IDENTITY, Lossy(CallerScript([Say(SPEECH), WaitForEnd()]), losses))
    stream.open(0.0)
    return stream


def frames(stream: PhoneStream) -> list[bytes]:
    audio = bytes(stream.caller_audio)
    return [audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES)]


def media_of(stream: PhoneStream, until_s: float) -> list[dict[str, Any]]:
    sent = [json.loads(out.text) for out in stream.wake(until_s) if isinstance(out, Send)]
    return [one["media"] for one in sent if one["event"] == "media"]


@pytest.mark.parametrize("percent", [5, 20])
def test_so_many_are_lost_in_bursts_and_the_same_ones_for_a_seed(percent: float) -> None:
    stream = lossy(percent, "silent", seed=3)
    stream.wake(8.0)
    lost = [frame == silence(20) for frame in frames(stream)]
    bursts = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    assert sum(lost) / len(lost) == pytest.approx(percent / 100, rel=0.4)
    assert 1.5 < sum(bursts) / len(bursts) < 4
    again = lossy(percent, "silent", seed=3)
    again.wake(8.0)
    assert again.caller_audio == stream.caller_audio
    assert stream.lost_frames == [], "Twilio sends every frame"


def test_what_is_lost_is_concealed_by_what_came_before() -> None:
    stream = lossy(20, "concealed")
    stream.wake(8.0)
    whole = [SPEECH[at : at + FRAME_BYTES] for at in range(0, len(SPEECH), FRAME_BYTES)]
    arrived = frames(stream)
    at = next(number for number, frame in enumerate(arrived) if frame != whole[number] and number)
    assert arrived[at] == arrived[at - 1] == whole[at - 1]
    assert len(stream.sounds.all) > 0
    assert stream.frames_sent_at, "nothing is missing on the socket"


def test_a_frame_that_is_missing_shows_as_a_jump_of_the_timestamps() -> None:
    stream = lossy(20, "missing")
    sent = media_of(stream, 8.0)
    stamps = [int(one["timestamp"]) for one in sent]
    assert [int(one["chunk"]) for one in sent] == list(range(1, len(sent) + 1))
    jumps = [after - before for before, after in pairwise(stamps)]
    assert set(jumps) > {20, 40}
    assert all(jump % 20 == 0 for jump in jumps)
    assert len(stream.lost_frames) == sum(jumps) // 20 - len(jumps)
    assert len(stream.audio_sent) == FRAME_BYTES * len(sent)
    assert len(stream.caller_audio) == len(stream.audio_sent) + FRAME_BYTES * len(stream.lost_frames)


@pytest.mark.parametrize("wrong", [{"percent": 60}, {"percent": -1}, {"percent": 5, "burst_frames": 0.5}])
def test_a_network_on_which_nobody_can_talk_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lost"):
        Losses(**wrong)  # type: ignore[arg-type]  # mypy takes the numbers for any field.


def test_a_cough_is_heard_at_its_moment_and_into_the_agents_words_and_is_no_word() -> None:
    cough = Interjection(make_cough(), at_ms=(1000,), every_ms=800)
    caller = Surrounded(CallerScript([WaitForEnd()]), Surroundings(interjections=(cough,)))
    driver = PhoneDriver(PhoneStream(IDENTITY, caller))
    driver.run_to(2000).say(media(2000)).run_to(5000)
    loud = [number for number, frame in enumerate(frames(driver.stream)) if dbfs(frame) > -60]
    begun = [n for n in loud if not {n - 1, n - 2, n - 3, n - 4} & set(loud)]
    assert [n * 20 + 79 for n in begun] == pytest.approx([1000, 2800, 3600], abs=60)
    assert {sound.source for sound in driver.stream.sounds.all} == {"agent"}


def test_a_place_may_lie_within_another_one() -> None:
    caller = CallerScript([WaitForEnd()])
    inner = Surrounded(caller, Surroundings(interjections=(Interjection(make_cough(), at_ms=(500,)),)))
    stream = PhoneStream(
        IDENTITY, Surrounded(inner, Surroundings(interjections=(Interjection(LOUD * 100, (1500,)),)))
    )
    stream.open(0.0)
    stream.wake(2.0)
    loud_ms = [n * 20 for n, frame in enumerate(frames(stream)) if dbfs(frame) > -30]
    assert min(loud_ms) < 600
    assert max(loud_ms) > 1400


def test_who_says_mhm_interrupts_nobody() -> None:
    driver = PhoneDriver(
        PhoneStream(IDENTITY, CallerScript([Interrupt(500, LOUD * 200, is_word=False), WaitForEnd()]))
    )
    driver.run_to(500).say(media(2000)).run_to(3000)
    assert sum(dbfs(frame) > -30 for frame in frames(driver.stream)) == 10
    assert driver.stream.interruptions == []
