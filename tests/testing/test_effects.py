"""What is not perfect about a caller and their line, measured in what goes out."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from callbridge.simulators.phone import CallerScript, Network, PhoneStream, StreamIdentity, WaitForEnd
from callbridge.simulators.phone import Say as Speak
from callbridge.simulators.sounds import dbfs, speech_dbfs
from callbridge.simulators.wordless import wordless
from callbridge.testing import (
    Babble,
    Backchannels,
    Coughs,
    Echo,
    FastSpeech,
    Jitter,
    Judge,
    Limits,
    Loss,
    Noise,
    Persona,
    PhoneBand,
    RealModel,
    SlowSpeech,
    SoftSpeech,
)
from callbridge.testing.effects import Affected, AnyEffect, Effect
from phone_driver import SID, PhoneDriver, media

VOICE = wordless("Are you open on Sunday?")
IDENTITY = StreamIdentity("AC" + "2" * 32, "CA" + "3" * 32, SID)


def driven(*effects: AnyEffect, seed: int = 0, until_ms: int = 3000) -> PhoneDriver:
    """A caller says `VOICE` at once, amid these effects; from 2 s on they hear the agent."""
    affected = Affected(effects, seed)
    voice = affected.voice(VOICE)
    caller = affected.caller(CallerScript([Speak(voice), WaitForEnd()]), [voice])
    driver = PhoneDriver(PhoneStream(IDENTITY, caller))
    return driver.run_to(min(until_ms, 2300)).say(media(700)).run_to(until_ms)


def sent(driver: PhoneDriver, from_ms: int, to_ms: int) -> bytes:
    """What left the telephone in a time."""
    first, last = ((ms - 79) * 8 for ms in (from_ms, to_ms))
    return bytes(driver.stream.caller_audio[max(first, 0) : last])


QUIET = (2600, 2900)
"""The caller has said all by then, and the agent is heard."""


@pytest.mark.parametrize(("kind", "snr_db"), [(Noise, 20), pytest.param(Babble, 5, marks=pytest.mark.heavy)])
def test_noise_is_so_much_softer_than_the_caller_is_then(kind: type[Noise | Babble], snr_db: float) -> None:
    driver = driven(SoftSpeech(10), kind(snr_db))
    level = speech_dbfs(Affected([SoftSpeech(10)]).voice(VOICE))
    assert level == pytest.approx(speech_dbfs(VOICE) - 10, abs=0.5)
    assert dbfs(sent(driver, *QUIET)) == pytest.approx(level - snr_db, abs=3 if kind is Babble else 1)
    assert {sound.source for sound in driver.stream.sounds.all} == {"caller", "agent"}
    assert driver.stream.interruptions == []


def test_a_noise_is_there_for_who_says_nothing_too() -> None:
    effects = [SoftSpeech(3), Noise(20)]
    stream = PhoneStream(IDENTITY, Affected(effects).caller(CallerScript([WaitForEnd()])))
    assert dbfs(sent(PhoneDriver(stream).run_to(1000), 100, 900)) == pytest.approx(-43, abs=1)


@pytest.mark.parametrize(("effect", "share"), [(FastSpeech(1.5), 1 / 1.5), (SlowSpeech(1.5), 1.5)])
def test_the_caller_is_in_a_hurry_or_is_not(effect: AnyEffect, share: float) -> None:
    assert len(Affected([effect]).voice(VOICE)) == pytest.approx(len(VOICE) * share, rel=0.01)


def test_effects_on_the_voice_follow_each_other() -> None:
    both = Affected([PhoneBand(), SoftSpeech(6)]).voice(VOICE)
    assert both == Affected([SoftSpeech(6)]).voice(Affected([PhoneBand()]).voice(VOICE))
    assert both != VOICE


def test_the_agent_is_heard_again_later_and_softer() -> None:
    driver = driven(Echo(delay_ms=100, gain_db=-18))
    agent = dbfs(b"\x10" * 800)
    assert dbfs(sent(driver, 2300, 2400)) == -float("inf")
    assert dbfs(sent(driver, 2420, 2900)) == pytest.approx(agent - 18, abs=1)


@pytest.mark.parametrize("effect", [Coughs(every_ms=250), Backchannels(every_ms=250), Coughs(at_ms=(2550,))])
def test_sounds_into_the_agents_words_are_no_words(effect: AnyEffect) -> None:
    driver = driven(effect)
    assert dbfs(sent(driver, 2560, 2700)) > -40
    assert driver.stream.interruptions == []


def test_what_is_lost_is_missing_or_not_as_was_asked() -> None:
    concealed, missing = (driven(Loss(25, how)) for how in ("concealed", "missing"))
    assert len(concealed.stream.frames_sent_at) > len(missing.stream.frames_sent_at)
    stamps = [int(fields["media"]["timestamp"]) for _, fields in missing.sent_of("media")]
    assert max(after - before for before, after in pairwise(stamps)) >= 40


def test_messages_are_late_both_ways() -> None:
    assert Affected([Jitter(80), Jitter(20)], seed=7).network == Network(jitter_ms=100, seed=7)
    assert Affected([Noise()]).network == Network()


def test_a_seed_is_a_call() -> None:
    effects = (Coughs(at_ms=(2500,)), Loss(10))

    def audio(seed: int) -> bytes:
        return sent(driven(*effects, seed=seed), 79, 2900)

    assert audio(1) == audio(1)
    assert audio(1) != audio(2)


@pytest.mark.heavy
def test_two_noises_are_two() -> None:
    def level(*effects: AnyEffect) -> float:
        return dbfs(sent(driven(*effects), *QUIET))

    assert level(Noise(20), Noise(20)) == pytest.approx(level(Noise(20)) + 3, abs=0.5)


def test_toml_says_the_same_as_python() -> None:
    written = """
    effects = [
        {effect = "noise", snr_db = 10},
        {effect = "loss", percent = 3, heard_as = "missing"},
        {effect = "coughs", at_ms = [2000, 9000]},
        {effect = "fast_speech", factor = 1.3},
    ]
    """
    assert msgspec.convert(tomllib.loads(written)["effects"], list[AnyEffect]) == [
        Noise(10),
        Loss(3, "missing"),
        Coughs((2000, 9000)),
        FastSpeech(1.3),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": "coughs"},
        {"effect": "backchannels", "every_ms": 0},
        {"effect": "fast_speech", "factor": 0.5},
        {"effect": "slow_speech", "factor": 9},
        {"effect": "echo", "gain_db": 3},
        {"effect": "loss", "percent": 80},
        {"effect": "jitter", "ms": -1},
        {"effect": "noise", "volume": 3},
        {"effect": "rain"},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, AnyEffect)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Jitter(-1),
        lambda: Noise("10"),  # type: ignore[arg-type]
        lambda: Noise(float("nan")),
        lambda: Loss(heard_as="a click"),  # type: ignore[arg-type]
        lambda: SoftSpeech(-6),
        lambda: Coughs(at_ms=(-1,)),
        lambda: Backchannels(every_ms=1000, say="…"),
        lambda: Limits(turns=0),
        lambda: Limits(dollars=float("inf")),
        lambda: Persona("Mia.", "Bread.", answers_after_ms=0),
        lambda: RealModel(dollars=1000),
        lambda: Judge("Polite"),  # type: ignore[arg-type]
        lambda: Judge(["All is well."], confidence_min=2),
    ],
)
def test_what_files_may_not_say_python_may_not(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"Expected|write|begins at 0|Invalid enum value"):
        wrong()


def test_a_kind_of_effect_is_no_effect() -> None:
    with pytest.raises(TypeError, match=r"Noise\(snr_db=10\)"):
        Affected([Noise])  # type: ignore[list-item]


def test_every_effect_can_be_written() -> None:
    named = {kind.__name__ for kind in Effect.__subclasses__()}
    assert named == {kind.__name__ for kind in AnyEffect.__args__}
