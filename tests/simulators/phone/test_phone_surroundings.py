"""What a telephone sends beside its caller's words, measured in what went out."""

from __future__ import annotations

import pytest

from callbridge.simulators.phone.caller import CallerScript, InterruptAt, Pause, Say, Step, WaitForEnd
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.stream import PhoneStream
from callbridge.simulators.phone.surroundings import (
    Background,
    ComfortNoise,
    Echo,
    Surrounded,
    Surroundings,
)
from callbridge.simulators.sounds import SoundKind, at_level, dbfs, make_sound
from callbridge.simulators.voice_model import caller_speech
from phone_driver import LOUD, SID, media

SECOND = 8000
VOICE = make_sound(SoundKind.BABBLE, -20, 1)
HELLO = caller_speech("caller_interrupts").audio[:4000]


def stream_in(surroundings: Surroundings, *steps: Step) -> PhoneStream:
    """A stream that opens at 0; its first frame is spoken from 79 ms on."""
    identity = StreamIdentity("AC" + "2" * 32, "CA" + "3" * 32, SID)
    stream = PhoneStream(identity, Surrounded(CallerScript(steps or (WaitForEnd(),)), surroundings))
    stream.open(0.0)
    return stream


def sent(stream: PhoneStream, from_s: float, to_s: float) -> bytes:
    """What the telephone sent between two moments."""
    first, last = (round((at - 0.079) * SECOND) for at in (from_s, to_s))
    return bytes(stream.caller_audio[max(first, 0) : last])


@pytest.mark.parametrize(
    ("kind", "level_dbfs"), [(SoundKind.NOISE, -50), (SoundKind.BABBLE, -40), (SoundKind.MUSIC, -25)]
)
def test_a_background_is_there_all_the_time_and_is_no_word(kind: SoundKind, level_dbfs: float) -> None:
    stream = stream_in(Surroundings(Background(kind, level_dbfs)))
    stream.wake(7.2)
    levels = [dbfs(sent(stream, at + 0.079, at + 1.079)) for at in range(7)]
    assert levels == pytest.approx([level_dbfs] * 7, abs=1)
    assert stream.sounds.all == []
    assert stream.longest_silence_s == pytest.approx(7.179, abs=0.02)


def test_a_soft_voice_amid_noise_is_still_the_callers() -> None:
    soft = at_level(caller_speech("caller_question_hours").audio[:SECOND], -47)
    stream = stream_in(Surroundings(Background(SoundKind.NOISE, -60)), InterruptAt(1, soft), WaitForEnd())
    stream.wake(3.0)
    said_from = next(sound.start for sound in stream.sounds.all if sound.source == "caller")
    assert 1 <= said_from < 1.2
    assert dbfs(sent(stream, 0.999, 1.999)) == pytest.approx(-47, abs=1)
    assert dbfs(sent(stream, 1.999, 2.979)) == pytest.approx(-60, abs=1)


def test_a_caller_who_says_hello_at_pick_up() -> None:
    """The first second of a call, when a bridge may not have a session yet, or is about to greet."""
    stream = stream_in(Surroundings(), InterruptAt(0.3, HELLO), WaitForEnd())
    stream.wake(1.5)
    assert dbfs(sent(stream, 0.0, 0.299)) == -float("inf")
    assert dbfs(sent(stream, 0.299, 0.799)) > -30
    assert bytes(stream.caller_audio).find(HELLO) == 1760


def test_a_network_that_sends_no_silence_puts_in_noise_by_steps() -> None:
    network = ComfortNoise((-50, -56, -62), step_ms=500, hangover_ms=200)
    stream = stream_in(
        Surroundings(Background(SoundKind.BABBLE, -35), network), Say(LOUD * 500), Pause(3000), Say(LOUD * 40)
    )
    stream.wake(3.6)
    spoken, hangover, *steps = [
        dbfs(sent(stream, start, end))
        for start, end in ((0.079, 0.579), (0.579, 0.779), (0.779, 1.279), (1.279, 1.779), (1.779, 2.979))
    ]
    assert spoken > -10
    assert hangover == pytest.approx(-35, abs=4)
    assert steps == pytest.approx([-50, -56, -62], abs=1)
    stream.wake(3.639)
    assert dbfs(sent(stream, 3.599, 3.639)) > -10


def test_the_agents_voice_comes_back_later_and_softer() -> None:
    stream = stream_in(Surroundings(echo=Echo(loss_db=18, delay_ms=130)))
    stream.wake(0.5)
    stream.receive(media(1, VOICE), 0.5)
    stream.wake(2.0)
    # Heard from 0.5 s on, back in the mouth of 0.63 s.
    assert dbfs(sent(stream, 0.079, 0.629)) == -float("inf")
    assert dbfs(sent(stream, 0.63, 1.63)) == pytest.approx(-38, abs=1)
    assert dbfs(sent(stream, 1.639, 1.979)) == -float("inf")
    assert {sound.source for sound in stream.sounds.all} == {"agent"}
    assert stream.interruptions == []


def test_the_same_seed_is_the_same_call() -> None:
    def audio(seed: int) -> bytes:
        stream = stream_in(Surroundings(Background(SoundKind.BABBLE, -40, seed), ComfortNoise(seed=seed)))
        stream.wake(2.0)
        return bytes(stream.caller_audio)

    assert audio(1) == audio(1)
    assert audio(1) != audio(2)
