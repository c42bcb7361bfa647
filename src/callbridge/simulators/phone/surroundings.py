"""Where a caller is: what their telephone sends beside their words.

Pure. `Surrounded` is a caller in a place: it passes on what the caller says and does, and adds to each frame
the noise of the place, the comfort noise of a network that suppresses silence, or an echo of the agent's
voice. None of that is a word of the caller's: the report takes it for silence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.simulators.phone.voice_activity import SILENT_FRAME, is_audible
from callbridge.simulators.sounds import SoundKind, attenuated, make_sound, mixed
from callbridge.wire.audio import FRAME_BYTES, silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.simulators.phone.caller import Act, Caller, Ear

LOOP_S: Final = 5
"""A sound is made once, and repeated from its start."""

FRAME_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Background:
    """A sound that is there all the time."""

    kind: SoundKind
    level_dbfs: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ComfortNoise:
    """A network that sends no silence: while the caller says nothing, it puts in noise of its own.

    Its level is told anew now and then (RFC 3389), so it goes in steps; the last one stays. It begins when
    the caller has said nothing for `hangover_ms`, and ends with their next word.
    """

    levels_dbfs: tuple[float, ...] = (-52.0, -58.0, -64.0)
    step_ms: int = 400
    hangover_ms: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.levels_dbfs:
            raise ValueError("comfort noise needs a level")


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent's own voice comes back, as from a loudspeaker: softer by `loss_db`, and `delay_ms` later."""

    loss_db: float = 20.0
    delay_ms: int = 120


@dataclass(frozen=True, slots=True)
class Interjection:
    """A short sound that is no word: a cough, a door, a "mhm" that asks for nothing."""

    audio: bytes
    """8 kHz µ-law."""
    at_ms: tuple[int, ...] = ()
    """When, since the stream opened."""
    every_ms: int | None = None
    """And so often while the agent is heard: whenever that much of an utterance was."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that is around a caller."""

    background: Background | None = None
    comfort_noise: ComfortNoise | None = None
    echo: Echo | None = None
    interjections: tuple[Interjection, ...] = ()


class Surrounded:
    """A caller in a place.

    Args:
        caller: who speaks there.
        surroundings: the place.
    """

    def __init__(self, caller: Caller, surroundings: Surroundings) -> None:
        self._caller = caller
        self._background = _loop(surroundings.background)
        self._suppressor = _Suppressor(surroundings.comfort_noise) if surroundings.comfort_noise else None
        self._room = _Room(surroundings.echo) if surroundings.echo else None
        self._interjections = [_Interjecting(one) for one in surroundings.interjections]

    @property
    def complaints(self) -> Sequence[str]:
        """What went against the caller's plan."""
        return self._caller.complaints

    @property
    def is_done(self) -> bool:
        """Whether the caller has said and done everything that they meant to."""
        return self._caller.is_done

    def next_frame(self, ear: Ear) -> Act:
        """What the caller does, amid what is around them."""
        act = self._caller.next_frame(ear)
        around = self._background.next()
        if self._suppressor is not None:
            around = self._suppressor.next(around, is_speaking=is_audible(act.audio))
        if self._room is not None:
            around = _together(around, self._room.next(ear.heard))
        for interjecting in self._interjections:
            around = _together(around, interjecting.next(ear))
        # A place may lie within another one.
        return msgspec.structs.replace(act, around=_together(act.around, around))


class _Loop:
    """A sound without an end."""

    def __init__(self, audio: bytes) -> None:
        self._audio = audio
        self._at = 0

    def next(self) -> bytes:
        if not self._audio:
            return b""
        frame = self._audio[self._at : self._at + FRAME_BYTES]
        self._at = (self._at + FRAME_BYTES) % len(self._audio)
        return frame


def _loop(background: Background | None) -> _Loop:
    return _Loop(b"" if background is None else _made(background))


@lru_cache(maxsize=16)
def _made(background: Background) -> bytes:
    """Many calls may come from one place."""
    return make_sound(background.kind, background.level_dbfs, LOOP_S, background.seed)


class _Suppressor:
    """Decides frame by frame what is sent: the place itself, or noise of the network's."""

    def __init__(self, settings: ComfortNoise) -> None:
        self._settings = settings
        self._levels = [
            _loop(Background(SoundKind.NOISE, level, settings.seed)) for level in settings.levels_dbfs
        ]
        self._quiet_ms = 0

    def next(self, around: bytes, *, is_speaking: bool) -> bytes:
        self._quiet_ms = 0 if is_speaking else self._quiet_ms + FRAME_MS
        since_ms = self._quiet_ms - self._settings.hangover_ms
        if since_ms <= 0:
            return around
        step = min((since_ms - FRAME_MS) // self._settings.step_ms, len(self._levels) - 1)
        return self._levels[step].next()


class _Room:
    """SoundKind on its way from the ear to the mouth."""

    def __init__(self, echo: Echo) -> None:
        self._loss_db = echo.loss_db
        self._under_way = deque(silence(echo.delay_ms))
        self._was_whole = False

    def next(self, heard: bytes) -> bytes:
        # A frame in which the agent's voice ends has it at its start; one in which it begins, at its end.
        place = heard.ljust if self._was_whole else heard.rjust
        self._was_whole = len(heard) >= FRAME_BYTES
        self._under_way.extend(place(FRAME_BYTES, SILENT_FRAME[:1]))
        back = bytes(self._under_way.popleft() for _ in range(FRAME_BYTES))
        return b"" if back == SILENT_FRAME else attenuated(back, self._loss_db)


class _Interjecting:
    """Decides frame by frame whether a short sound begins, and goes on with it."""

    def __init__(self, settings: Interjection) -> None:
        self._settings = settings
        self._moments = deque(sorted(settings.at_ms))
        self._left = b""
        self._utterance_ms: float | None = None
        """When the agent's present utterance began."""
        self._count = 0
        """How often the sound was made into it."""

    def next(self, ear: Ear) -> bytes:
        if not self._left and (self._is_time(ear.at_ms) or self._is_turn(ear)):
            self._left = self._settings.audio
        frame, self._left = self._left[:FRAME_BYTES], self._left[FRAME_BYTES:]
        return frame

    def _is_time(self, at_ms: float) -> bool:
        is_time = bool(self._moments) and self._moments[0] <= at_ms
        if is_time:
            self._moments.popleft()
        return is_time

    def _is_turn(self, ear: Ear) -> bool:
        every_ms, began_ms = self._settings.every_ms, ear.agent_began_ms
        if every_ms is None or began_ms is None or not (ear.is_agent_speaking and ear.heard):
            return False
        if began_ms != self._utterance_ms:
            self._utterance_ms, self._count = began_ms, 0
        is_turn = ear.at_ms - began_ms >= (self._count + 1) * every_ms
        self._count += is_turn
        return is_turn


def _together(one: bytes, other: bytes) -> bytes:
    return mixed(one, other) if one and other else one or other
