"""The input audio buffer: what was appended, what the detector hears in it, what a turn takes out.

Counts time in appended audio alone, as the API does. Does not know items, events or responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.simulators.voice_model.vad import (
    SEMANTIC_PREFIX_MS,
    EnergyVad,
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
    VadFault,
)
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COMMIT_MIN_MS = 100
"""A shorter buffer cannot be committed by hand."""


class InputBuffer:
    """8 kHz µ-law that was appended and not yet committed."""

    def __init__(self, detection: TurnDetection | None) -> None:
        self.appended_bytes = 0
        """All audio since the session started."""
        self._audio = bytearray()
        self._vad: EnergyVad | None = None
        self._fault: VadFault | None = None
        self._kept_bytes = 0
        """What is kept of the audio between turns."""
        self.detect(detection)

    @property
    def appended_ms(self) -> int:
        """Place in the session's audio where the next append goes."""
        return self.appended_bytes // BYTES_PER_MS

    @property
    def held_ms(self) -> float:
        """Audio that a commit by hand would take."""
        return len(self._audio) / BYTES_PER_MS

    @property
    def is_speaking(self) -> bool:
        """Whether the caller is in the middle of a turn."""
        return self._vad is not None and self._vad.is_speaking

    def detect(self, detection: TurnDetection | None) -> None:
        """Take new settings. A detector that hears the same goes on with what it has heard."""
        if detection is None:
            self._vad = None
            return
        self._kept_bytes = _kept_bytes(detection)
        if self._vad is not None and self._vad.settings.hears_like(detection):
            self._vad.settings = detection
        else:
            self._detect_anew(detection)

    def append(self, audio: bytes) -> Iterable[SpeechStarted | SpeechStopped]:
        """Add audio and yield what is heard in it. A stop must be answered by `take_turn`."""
        self.appended_bytes += len(audio)
        self._audio += audio
        if self._vad is None:
            return ()
        heard = self._vad.hear(audio)
        if heard:
            return self._told(heard)
        if not self._vad.is_speaking:
            self._trim()
        return ()

    def _told(self, heard: list[SpeechStarted | SpeechStopped]) -> Iterator[SpeechStarted | SpeechStopped]:
        # Trimmed when the turns that ended were taken out, never before.
        yield from heard
        if self._vad is not None and not self._vad.is_speaking:
            self._trim()

    def take_turn(self, start_ms: int, end_ms: int) -> bytes:
        """Take the audio of a turn out of the buffer, and forget what came before it."""
        begin = self.appended_bytes - len(self._audio)
        start, end = (max(0, at_ms * BYTES_PER_MS - begin) for at_ms in (start_ms, end_ms))
        turn = bytes(self._audio[start:end])
        del self._audio[:end]
        return turn

    def take_all(self) -> bytes:
        """Take everything: a commit by hand, or a clear. A turn under way is over."""
        audio = bytes(self._audio)
        self._audio.clear()
        if self._vad is not None:
            self._detect_anew(self._vad.settings)
        return audio

    def spoil(self, fault: VadFault | None) -> None:
        """Detectors are out of order from now on, this one and later ones; in order again with None."""
        self._fault = fault
        if self._vad is not None:
            self._vad.spoil(fault)

    def take_noise(self) -> SpeechStarted | None:
        """Take what comes next for speech. None when nothing is detected, or in the middle of a turn."""
        if self._vad is None or self._vad.is_speaking:
            return None
        return self._vad.take_noise()

    def _detect_anew(self, detection: TurnDetection) -> None:
        self._vad = EnergyVad(detection, from_byte=self.appended_bytes)
        self._vad.spoil(self._fault)

    def _trim(self) -> None:
        # Between turns only what may become a turn's padding is kept, else an hour of silence stays.
        spare = len(self._audio) - self._kept_bytes
        if spare > 0:
            del self._audio[:spare]


def _kept_bytes(settings: TurnDetection) -> int:
    padding_ms = max(settings.prefix_padding_ms, SEMANTIC_PREFIX_MS, COMMIT_MIN_MS)
    # One second more than the padding: speech starts some windows before it is recognised.
    return (padding_ms + 1000) * BYTES_PER_MS
