"""Turn detection by energy, over 8 kHz µ-law, in windows of 32 ms.

`threshold` 0..1 is a loudness: -60 dBFS at 0, -35 dBFS at 0.5, -10 dBFS at 1 (mean square of a window
against full scale). The real detector is a trained one whose scale is not published; speech at a
telephone's level lies near -20 dBFS and line noise below -50, so the default separates them here too.

Speech starts with three loud windows in a row, so that a click does not. It stops after
`silence_duration_ms` without a loud one. `semantic_vad` has no semantics here: an utterance is taken
for finished after a wait that `eagerness` shortens, and one so short that it is probably not a
sentence is waited for up to the maximum that is documented for that eagerness.

https://developers.openai.com/api/docs/guides/realtime-vad
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from callbridge.simulators.audio import decode_mulaw
from callbridge.wire.audio import BYTES_PER_MS, silence

WINDOW_MS = 32
"""Recorded sessions start and stop at multiples of it, the padding left out."""

WINDOW_BYTES = WINDOW_MS * BYTES_PER_MS

START_WINDOWS = 3
"""Loud windows in a row that make speech: 96 ms, longer than a click, shorter than a syllable."""

SEMANTIC_PREFIX_MS = 300
"""`semantic_vad` has no setting for it; the default of `server_vad`."""

SEMANTIC_WAIT_MS = {"low": 1200, "medium": 800, "auto": 800, "high": 400}
"""Silence after what sounds finished."""

SEMANTIC_WAIT_MAX_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
"""Silence after what does not. The documented maxima."""

SENTENCE_MS = 600
"""Shorter speech is taken for unfinished: "uhm", "well"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """`session.audio.input.turn_detection`, when it is not null."""

    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None
    eagerness: str = "auto"
    create_response: bool = True
    interrupt_response: bool = True

    def wait_ms(self, speech_ms: int) -> int:
        """Silence that ends a turn after `speech_ms` of speech."""
        if self.kind == "server_vad":
            return self.silence_duration_ms
        waits = SEMANTIC_WAIT_MS if speech_ms >= SENTENCE_MS else SEMANTIC_WAIT_MAX_MS
        return waits[self.eagerness]

    def hears_like(self, other: TurnDetection) -> bool:
        """Whether both detect the same speech, whatever they do about it."""
        return self._ear() == other._ear()

    def _ear(self) -> tuple[object, ...]:
        return (
            self.kind,
            self.threshold,
            self.prefix_padding_ms,
            self.silence_duration_ms,
            self.eagerness,
        )


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak."""

    audio_start_ms: int
    """Counted over all appended audio, padding included."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller's turn ended."""

    audio_end_ms: int
    """Counted over all appended audio, the silence that ended the turn included."""


VadFault = Literal["vad_deaf", "vad_stuck"]
"""Out of order: it takes nothing for speech; or everything, once speech has started."""


class EnergyVad:
    """Hears appended µ-law and says where turns start and stop."""

    def __init__(self, settings: TurnDetection, *, from_byte: int = 0) -> None:
        self.settings = settings
        self.is_speaking = False
        # A turn's padding must not reach back into audio of the turn before.
        self._floor_ms = from_byte // BYTES_PER_MS
        self._loudness: Loudness | _Alike = loudness(settings.threshold)
        self._fault: VadFault | None = None
        # Windows stand at multiples of their length, wherever the detector begins.
        self._rest = SILENT_WINDOW[: from_byte % WINDOW_BYTES]
        self._at_byte = from_byte - len(self._rest)
        self._loud_windows = 0
        self._speech_from_ms = 0
        self._quiet_ms = 0

    def spoil(self, fault: VadFault | None) -> None:
        """Out of order from the next window on; in order again with None."""
        self._fault = fault
        self._set_loudness()

    def take_noise(self) -> SpeechStarted:
        """Take for speech what comes next, however quiet. It stops as speech does. Never within a turn."""
        return self._start()

    def hear(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        """What is heard in `audio`, in order."""
        heard: list[SpeechStarted | SpeechStopped] = []
        audio = self._rest + audio
        whole = len(audio) // WINDOW_BYTES * WINDOW_BYTES
        self._rest = audio[whole:]
        for start in range(0, whole, WINDOW_BYTES):
            event = self._window(self._loudness.is_loud(audio[start : start + WINDOW_BYTES]))
            if event is not None:
                heard.append(event)
        return heard

    def _window(self, is_loud: bool) -> SpeechStarted | SpeechStopped | None:
        self._at_byte += WINDOW_BYTES
        if self.is_speaking:
            return self._in_speech(is_loud)
        self._loud_windows = self._loud_windows + 1 if is_loud else 0
        return self._start() if self._loud_windows == START_WINDOWS else None

    def _start(self) -> SpeechStarted:
        self.is_speaking, self._quiet_ms, self._loud_windows = True, 0, 0
        self._set_loudness()
        self._speech_from_ms = self._at_byte // BYTES_PER_MS - START_WINDOWS * WINDOW_MS
        is_server_vad = self.settings.kind == "server_vad"
        padding_ms = self.settings.prefix_padding_ms if is_server_vad else SEMANTIC_PREFIX_MS
        return SpeechStarted(max(self._floor_ms, self._speech_from_ms - padding_ms))

    def _set_loudness(self) -> None:
        # Chosen here and not in each window: fifty of them come in a second.
        self._loudness = loudness(self.settings.threshold)
        if self._fault == "vad_deaf" or (self._fault == "vad_stuck" and self.is_speaking):
            self._loudness = _Alike(is_loud=self._fault == "vad_stuck")

    def _in_speech(self, is_loud: bool) -> SpeechStopped | None:
        self._quiet_ms = 0 if is_loud else self._quiet_ms + WINDOW_MS
        end_ms = self._at_byte // BYTES_PER_MS
        speech_ms = end_ms - self._quiet_ms - self._speech_from_ms
        if is_loud or self._quiet_ms < self.settings.wait_ms(speech_ms):
            return None
        self.is_speaking, self._floor_ms = False, end_ms
        return SpeechStopped(end_ms)


SILENT_WINDOW = silence(WINDOW_MS)

SURE_SAMPLES = 4
"""So many samples that each have this part of a window's limit decide without a sum."""


def holds_speech(audio: bytes, settings: TurnDetection) -> bool:
    """Whether a detector in order would hear speech in it."""
    return bool(EnergyVad(settings).hear(audio))


class Loudness:
    """Tells loud windows from others, at one threshold."""

    def __init__(self, threshold: float) -> None:
        self._limit = energy_limit(threshold)
        self._softer = bytes(
            code for code, square in enumerate(_squares()) if square * SURE_SAMPLES < self._limit
        )

    def is_loud(self, window: bytes) -> bool:
        """Whether its energy reaches the limit. Speech and silence are told at a glance."""
        if window == SILENT_WINDOW:
            return self._limit <= 0
        if len(window.translate(None, self._softer)) >= SURE_SAMPLES:
            return True
        return energy(window) >= self._limit


class _Alike:
    """Takes all windows for loud, or none."""

    def __init__(self, *, is_loud: bool) -> None:
        self._is_loud = is_loud

    def is_loud(self, _window: bytes) -> bool:
        """The same for every window."""
        return self._is_loud


@cache
def loudness(threshold: float) -> Loudness:
    """The one for this threshold, made once."""
    return Loudness(threshold)


def energy(audio: bytes) -> int:
    """Sum of the squared samples."""
    # 4 microseconds a frame by this table: 20 calls at once take 4 ms of each second.
    return sum(map(_squares().__getitem__, audio))


def energy_limit(threshold: float) -> float:
    """Energy of a window that counts as loud at this `threshold`."""
    decibels = -60 + 50 * threshold
    return float(10 ** (decibels / 10) * 32768**2 * WINDOW_BYTES)


@cache
def _squares() -> tuple[int, ...]:
    return tuple(sample * sample for sample in decode_mulaw(bytes(range(256))))
