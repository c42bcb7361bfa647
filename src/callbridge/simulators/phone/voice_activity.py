"""Who is speaking, judged by loudness: the same for the caller's mouth and for what they hear.

Pure. Judged by loudness and not by "audio is queued", because many bridges send silence all the time.
"""

from __future__ import annotations

from callbridge.simulators.audio import decode_mulaw
from callbridge.wire.audio import silence

QUIET_LEVEL = 260
"""About -42 dB of full scale: above line noise, far below speech."""

QUIET_CODES = bytes(code for code in range(256) if abs(decode_mulaw(bytes((code,)))[0]) < QUIET_LEVEL)

HANGOVER_S = 0.4
"""A pause shorter than this lies between words; a longer one ends the utterance."""


SILENT_FRAME = silence(20)
"""The commonest window of all; knowing it at sight saves most of the looking."""


def is_audible(audio: bytes) -> bool:
    """Whether any sample of µ-law `audio` is louder than silence."""
    return bool(audio) and audio != SILENT_FRAME and bool(audio.strip(QUIET_CODES))


class VoiceActivity:
    """Utterances in a stream of short windows of audio."""

    def __init__(self, hangover_s: float = HANGOVER_S) -> None:
        self.hangover_s = hangover_s
        self.began_at: float | None = None
        """When the latest utterance began, also after it has ended; None before the first."""
        self.audible_until: float | None = None
        """End of the last audible window."""
        self.is_speaking = False

    def hear(self, audio: bytes, start: float, end: float) -> bool:
        """Take the window from `start` to `end`; True when an utterance began or ended with it."""
        was_speaking = self.is_speaking
        if not was_speaking and (not audio or audio == SILENT_FRAME):
            return False
        if is_audible(audio):
            self.audible_until = end
            if not was_speaking:
                self.began_at, self.is_speaking = start, True
        elif self.audible_until is not None and end - self.audible_until >= self.hangover_s:
            self.is_speaking = False
        return self.is_speaking != was_speaking

    def quiet_s(self, now: float) -> float:
        """Seconds since the last audible window; infinite before the first."""
        return float("inf") if self.audible_until is None else now - self.audible_until
