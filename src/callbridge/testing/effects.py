"""What stands between a caller and a perfect line: noise, soft or hasty speech, coughs, a network, an echo.

All from the seed of the call, so that a call that went wrong goes wrong again. In Python and in TOML alike
(`{effect = "noise", snr_db = 10}`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, assert_never, cast

import msgspec

from callbridge.simulators import phone
from callbridge.simulators.sounds import SoundKind, attenuated, make_cough, speech_dbfs
from callbridge.simulators.voice_changes import phone_band, stretched
from callbridge.simulators.wordless import wordless
from callbridge.testing.fields import check_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone import Caller


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="effect"):
    """One thing that is not perfect.

    Raises:
        ValueError: it cannot be, or it would never be noticed.
    """

    def __post_init__(self) -> None:
        check_fields(self)


# --- Around the caller ----------------------------------------------------------------------------------


class Noise(Effect, frozen=True, tag="noise"):
    """Steady noise all the time: a fan, a car, a bad line."""

    snr_db: float = 15.0
    """How much louder the caller speaks than it is; below 0 the noise is louder."""


class Babble(Effect, frozen=True, tag="babble"):
    """Six other people talk, as in a café."""

    snr_db: float = 15.0
    """As in `Noise`. From about 15 down the simulated detection takes them for the caller."""


class Echo(Effect, frozen=True, tag="echo"):
    """The agent's own voice comes back, as from a loudspeaker that the telephone does not cancel."""

    delay_ms: int = 120
    gain_db: float = -20.0
    """Below 0: softer than it was heard."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delay_ms < 0 or self.gain_db > 0:
            raise ValueError("an echo is late and softer: write delay_ms >= 0 and gain_db <= 0")


class Coughs(Effect, frozen=True, tag="coughs"):
    """The caller coughs, which is no word and asks for nothing."""

    at_ms: tuple[int, ...] = ()
    """When, in milliseconds since the media stream opened."""
    every_ms: int | None = None
    """And so often while the agent is heard: whenever that much of an utterance was."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_never(self.at_ms, self.every_ms)


class Backchannels(Effect, frozen=True, tag="backchannels"):
    """The caller says "mhm" as people do who listen. No turn of theirs, and nobody should be cut by it.

    Short and at half the loudness of speech. At one moment of one utterance it is the step `Backchannel`.
    """

    at_ms: tuple[int, ...] = ()
    every_ms: int | None = None
    """As in `Coughs`."""
    say: str = "mhm"

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_never(self.at_ms, self.every_ms)
        if not wordless(self.say):
            raise ValueError(f"say={self.say!r} has nothing to speak: write a word")


# --- The caller's voice ---------------------------------------------------------------------------------


class SoftSpeech(Effect, frozen=True, tag="soft_speech"):
    """The caller speaks softly, or far from the telephone."""

    db: Annotated[float, msgspec.Meta(ge=0)] = 20.0
    """So much softer."""


class FastSpeech(Effect, frozen=True, tag="fast_speech"):
    """The caller is in a hurry; their pitch stays."""

    factor: float = 1.4
    """So many times as fast."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_pace(self.factor)


class SlowSpeech(Effect, frozen=True, tag="slow_speech"):
    """The caller takes their time. Pauses grow, too, and may be taken for the end of a turn."""

    factor: float = 1.4
    """So many times as slow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_pace(self.factor)


class PhoneBand(Effect, frozen=True, tag="phone_band"):
    """The band of a telephone, 300 to 3,400 Hz, for files that were recorded with a better microphone."""


# --- The network ----------------------------------------------------------------------------------------


class Loss(Effect, frozen=True, tag="loss"):
    """Frames of the caller are lost before Twilio gets them, in bursts of 2.5 on average.

    From Twilio on audio travels by TCP: nothing is missing there, and what is late is `Jitter`.
    """

    percent: float = 5.0
    heard_as: Literal["concealed", "silent", "missing"] = "concealed"
    """What Twilio sends in their place: the frame before, softer and softer; silence; or nothing, so that the
    next timestamp jumps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.percent < 50:
            raise ValueError(f"percent={self.percent}: write 0 or more, and less than 50")


class Jitter(Effect, frozen=True, tag="jitter"):
    """Messages between Twilio and the service are late by up to so much, both ways, and come in bursts."""

    ms: Annotated[float, msgspec.Meta(ge=0)] = 100.0


AnyEffect: TypeAlias = (
    Noise
    | Babble
    | Echo
    | Coughs
    | Backchannels
    | SoftSpeech
    | FastSpeech
    | SlowSpeech
    | PhoneBand
    | Loss
    | Jitter
)
"""One effect, as it may be written."""


def _refuse_never(at_ms: tuple[int, ...], every_ms: int | None) -> None:
    if not at_ms and every_ms is None:
        raise ValueError("say when: at_ms=(3000, 8000), or every_ms=4000")
    if any(each < 0 for each in at_ms):
        raise ValueError(f"at_ms={at_ms}: a stream begins at 0")
    if every_ms is not None and every_ms <= 0:
        raise ValueError(f"every_ms={every_ms}: write a time above 0")


def _refuse_pace(factor: float) -> None:
    if not 1 < factor <= 3:
        raise ValueError(f"factor={factor}: write a number above 1, and no more than 3")


# --- What becomes of a call -----------------------------------------------------------------------------

MHM_LOSS_DB: Final = 6.0
"""So much softer than speech are sounds of somebody who listens."""

_A_WORD: Final = "Hello?"
"""As loud as whatever a caller says of whom it is not known yet."""


class Affected:
    """The effects of one call, ready to be applied.

    Args:
        effects: in the order in which they are applied.
        seed: of the call.
    """

    def __init__(self, effects: Sequence[Effect], seed: int = 0) -> None:
        for effect in effects:
            if not isinstance(effect, Effect):
                raise TypeError(f"effects={effects!r}: write a list of effects, such as [Noise(snr_db=10)]")
        # A list of several kinds is one of `Effect` to a type checker, and there are no kinds but these.
        self._effects = cast(tuple[AnyEffect, ...], tuple(effects))
        self._seed = seed

    def voice(self, audio: bytes) -> bytes:
        """What the caller says, as their telephone takes it up."""
        for effect in self._effects:
            audio = _changed(audio, effect)
        return audio

    def caller(self, caller: Caller, voices: Iterable[bytes] = ()) -> Caller:
        """The caller amid what is around them, behind their network.

        Args:
            caller: who speaks.
            voices: all that they say, by `voice`, as far as it is known: noise is measured against it.
        """
        level_dbfs = speech_dbfs(b"".join(voices) or self.voice(wordless(_A_WORD)))
        for number, effect in enumerate(self._effects):
            place = _place(effect, level_dbfs, self._seed * 100 + number)
            if place is not None:
                caller = phone.Surrounded(caller, place)
        for number, effect in enumerate(self._effects):
            if isinstance(effect, Loss):
                seed = self._seed * 100 + number
                caller = phone.Lossy(caller, phone.Losses(effect.percent, effect.heard_as, seed=seed))
        return caller

    @property
    def network(self) -> phone.Network:
        """The way between Twilio and the service."""
        jitter_ms = sum(effect.ms for effect in self._effects if isinstance(effect, Jitter))
        return phone.Network(jitter_ms=jitter_ms, seed=self._seed)


def _changed(audio: bytes, effect: AnyEffect) -> bytes:
    match effect:
        case SoftSpeech(db=db):
            return attenuated(audio, db)
        case FastSpeech(factor=factor):
            return stretched(audio, 1 / factor)
        case SlowSpeech(factor=factor):
            return stretched(audio, factor)
        case PhoneBand():
            return phone_band(audio)
        case Noise() | Babble() | Echo() | Coughs() | Backchannels() | Loss() | Jitter():
            return audio
        case _:
            assert_never(effect)


def _place(effect: AnyEffect, level_dbfs: float, seed: int) -> phone.Surroundings | None:
    match effect:
        case Noise(snr_db=snr_db):
            noise = phone.Background(SoundKind.NOISE, level_dbfs - snr_db, seed)
            return phone.Surroundings(noise)
        case Babble(snr_db=snr_db):
            babble = phone.Background(SoundKind.BABBLE, level_dbfs - snr_db, seed)
            return phone.Surroundings(babble)
        case Echo(delay_ms=delay_ms, gain_db=gain_db):
            return phone.Surroundings(echo=phone.Echo(-gain_db, delay_ms))
        case Coughs(at_ms=at_ms, every_ms=every_ms):
            cough = phone.Interjection(make_cough(seed=seed), at_ms, every_ms)
            return phone.Surroundings(interjections=(cough,))
        case Backchannels(at_ms=at_ms, every_ms=every_ms, say=say):
            mhm = phone.Interjection(attenuated(wordless(say), MHM_LOSS_DB), at_ms, every_ms)
            return phone.Surroundings(interjections=(mhm,))
        case SoftSpeech() | FastSpeech() | SlowSpeech() | PhoneBand() | Loss() | Jitter():
            return None
        case _:
            assert_never(effect)
