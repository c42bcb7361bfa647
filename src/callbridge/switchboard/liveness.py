"""Whether a stream is alive that somebody says has ended. What was heard decides, not what is reported.

Twilio asks what follows a stream within milliseconds of its end, before its socket is seen to close and with
frames on their way to us; and a stranger may repeat what Twilio once asked. A live phone sends fifty frames a
second, silence included.

Pure: the count of frames and the time come in.
"""

from __future__ import annotations

from typing import Final

SILENT_S: Final = 1.0
"""No frame for so long: nobody is there."""

WAIT_S: Final = 2.0
"""Frames that come even later are no tail of a stream that has ended. Twilio waits 15 s for an answer."""

LOOK_EVERY_S: Final = 0.05
"""Between two looks. One that comes later counts as if it had come then: a loop that was busy has not read
yet what came meanwhile."""


class Liveness:
    """One look at one stream. Times are in seconds on any clock that never runs backwards."""

    def __init__(self, frames: int, now: float) -> None:
        self._frames = frames
        self._began_at = self._heard_at = self._looked_at = now

    def is_alive(self, frames: int, now: float) -> bool | None:
        """The verdict, given the frames that have come by now; None while there is none."""
        late_s = max(now - self._looked_at - LOOK_EVERY_S, 0.0)
        self._looked_at = now
        self._began_at += late_s
        self._heard_at += late_s
        if frames != self._frames:
            self._frames, self._heard_at = frames, now
        if now - self._heard_at >= SILENT_S:
            return False
        return True if now - self._began_at >= WAIT_S else None
