"""The caller's end of the line: how long they have been quiet, and whether the phone still sends.

The model says when the caller speaks, and one that stalls never says that they stopped. So the frames
themselves are looked at: Twilio sends one each 20 ms, silence included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.call.phases import Timer
from callbridge.wire.audio import FRAME_MS

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.limits import Limits


@dataclass(slots=True)
class Line:
    """The line of one stream.

    Args:
        limits: the bounds.
        gate: says whether the model's last word is that the caller speaks.
        tally: has the frames.
        silence_s: the silence after which the model should have said that the caller stopped.
        since: when something was last seen to have come; at first, when the stream was admitted.
    """

    limits: Limits
    gate: Gate
    tally: Tally
    silence_s: float
    since: float
    _frames: int = 0
    _is_gap_noted: bool = False
    _looked_at: float = 0.0
    _look_at: float = 0.0
    """When to look for a gap."""

    def __post_init__(self) -> None:
        self._look_at = self.since + self.limits.media_gap_warning_s

    # --- The caller ---

    def add_due(self, due: dict[Timer, float], spoke_at: float, *, is_standing: bool) -> None:
        """Adds when to look at what.

        Args:
            due: where it is added.
            spoke_at: when the model said that the caller speaks.
            is_standing: whether that matters: the session is configured.
        """
        due[Timer.MEDIA_GAP] = self._look_at
        if self.gate.model_hears and is_standing:
            due[Timer.CALLER_QUIET] = max(spoke_at, self._looked_at) + self.limits.caller_look_every_s

    def quiet_s(self, now: float) -> float | None:
        """For how many seconds the caller has been quiet; None while that is no longer than any patience."""
        self._looked_at = now
        quiet_s = self.tally.loudness.quiet_for * FRAME_MS / 1000
        return quiet_s if quiet_s >= self.silence_s + self.limits.quiet_margin_s else None

    # --- The phone ---

    def gap_s(self, now: float) -> float | None:
        """Looks at the count of frames; answers the length of a gap that is to be noted now, or None."""
        if self.tally.frames_from_phone != self._frames:
            self._frames, self.since, self._is_gap_noted = self.tally.frames_from_phone, now, False
        lost_at = self.since + self.limits.media_gap_timeout_s
        self._look_at = min(now + self.limits.media_gap_warning_s, lost_at)
        if self._is_gap_noted or now - self.since < self.limits.media_gap_warning_s:
            return None
        self._is_gap_noted = True
        return now - self.since

    def is_lost(self, now: float) -> bool:
        """Whether nothing has come for so long that nothing will."""
        return now - self.since >= self.limits.media_gap_timeout_s
