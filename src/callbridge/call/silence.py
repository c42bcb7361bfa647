"""How long nothing may be heard, by the caller and of the caller. Times only: `stages` acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.call.phases import Timer

if TYPE_CHECKING:
    from callbridge.call.limits import Limits
    from callbridge.call.playout import Gate, Playout, Tally


def sound_due(
    limits: Limits,
    playout: Playout,
    *,
    waits_since: float | None,
    tool_done_at: float,
    connecting_since: float | None,
    clip_at: float,
) -> dict[Timer, float]:
    """When the caller has waited long enough for any sound, and when for the agent.

    Args:
        limits: the bounds.
        playout: what the caller still hears.
        waits_since: since when they wait for the agent; nothing while they do not.
        tool_done_at: when a tool last answered; the agent has its time from there.
        connecting_since: since when there is no session; nothing while there is one.
        clip_at: when a clip was last due. There may be none to play: then it has made no sound.
    """
    if waits_since is None and connecting_since is None:
        return {}
    since = waits_since if waits_since is not None else connecting_since
    assert since is not None
    # Who waits for an answer may be left with it a little longer than who waits for anybody at all.
    is_nobody_there = waits_since is not None and connecting_since is not None
    after_s = limits.connect_clip_after_s if is_nobody_there else limits.clip_after_s
    due = {Timer.CLIP: max(since, clip_at, playout.quiet_at) + after_s}
    if waits_since is not None:
        due[Timer.GIVE_UP] = max(waits_since, tool_done_at, playout.agent_until) + limits.give_up_after_s
    return due


@dataclass(slots=True)
class AnswerWatch:
    """Whether a model that owes an answer still says anything."""

    limits: Limits
    tally: Tally
    by: float | None = None
    """When to look; nothing while no answer is due."""

    def begin(self, now: float) -> None:
        """An answer is due, or something came of it."""
        self.by = now + self.limits.answer_timeout_s

    def is_silent(self, now: float) -> bool:
        """Whether nothing came, audio included, for too long. If something did, it is to be asked again.

        From the last sound on: counted from this look, an answer that broke off would be waited for twice.
        """
        self.by = self.tally.from_model_at + self.limits.answer_timeout_s
        return now >= self.by


FRAME_S: Final = 0.02
"""Twilio's, silence included."""


@dataclass(slots=True)
class CallerWatch:
    """Whether the caller still speaks when the model says so: one that stalls never says when they stop."""

    limits: Limits
    gate: Gate
    tally: Tally
    silence_s: float
    """The silence after which the model should have said it."""
    by: float | None = None
    """When to look; nothing while the caller does not speak."""

    def begin(self, now: float) -> None:
        """The model says that the caller speaks."""
        self.gate.hears_caller = True
        self.tally.loud_at_frame = self.tally.frames_from_phone
        self.by = now + self.limits.caller_look_every_s

    def end(self) -> None:
        """The model has said more, or will never say anything again."""
        self.gate.hears_caller, self.by = False, None

    def look(self, now: float) -> float | None:
        """For how many seconds the caller has been quiet, when that is longer than any patience."""
        self.by = now + self.limits.caller_look_every_s
        quiet_s = (self.tally.frames_from_phone - self.tally.loud_at_frame) * FRAME_S
        return quiet_s if quiet_s >= self.silence_s + self.limits.quiet_margin_s else None


@dataclass(slots=True)
class MediaWatch:
    """Whether the phone still sends. It does so fifty times a second, silence included."""

    limits: Limits
    tally: Tally
    since: float = 0.0
    """When something was last seen to have come."""
    _frames: int = 0
    _is_noted: bool = False

    def look(self, now: float) -> bool:
        """Looks at the count; answers whether a gap is to be noted now."""
        if self.tally.frames_from_phone != self._frames:
            self._frames, self.since, self._is_noted = self.tally.frames_from_phone, now, False
        if self._is_noted or now - self.since < self.limits.media_gap_warning_s:
            return False
        self._is_noted = True
        return True

    def is_lost(self, now: float) -> bool:
        """Whether nothing has come for so long that nothing will."""
        return now - self.since >= self.limits.media_gap_timeout_s
