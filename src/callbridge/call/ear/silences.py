"""How long the caller may hear nothing. Times only: the machine acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.phases import Timer

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.limits import Limits


class HeardSilence:
    """The longest time in which the caller waited for the agent and heard nothing at all.

    Looked at with every event while the caller is silent, never with a frame of audio. Sounds of ours break a
    silence as the agent does.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.spoken_into_at: float | None = None
        """When the caller began to speak, since somebody looked: nobody waits who speaks."""
        self._since: float | None = None

    def look(self, waits_since: float | None, playout: Playout, now: float) -> None:
        """How it is now.

        Args:
            waits_since: since when the caller waits for the agent; None while they do not.
            playout: what they hear.
            now: the time.
        """
        if self._since is not None:
            ended_at = now if self.spoken_into_at is None else self.spoken_into_at
            sounds_since = playout.sounds_since
            if sounds_since is not None and sounds_since > self._since:
                ended_at = min(ended_at, sounds_since)
            self.longest_s = max(self.longest_s, ended_at - self._since)
        self._since = None if waits_since is None else max(waits_since, playout.quiet_at)
        self.spoken_into_at = None


class WaitingSound:
    """The soft sound now and then, while a tool that wants it takes its time."""

    def __init__(self, limits: Limits) -> None:
        self._every_s = limits.waiting_sound_every_s
        self._tools: dict[str, float] = {}
        """By `call_id`, with when each has wanted it."""

    def wanted(self, call_id: str, now: float) -> None:
        """A tool takes longer than a moment."""
        self._tools[call_id] = now

    def tool_answered(self, call_id: str) -> None:
        """It is over."""
        self._tools.pop(call_id, None)

    def add_due(self, due: dict[Timer, float], playout: Playout, sound_at: float) -> None:
        """Adds when it is to be heard next. From a phone that echoes late nobody knows when it was quiet.

        `sound_at`: when it, or a clip, last left for the phone.
        """
        if self._tools:
            quiet_since = max(playout.quiet_at, sound_at)
            due[Timer.WAITING_SOUND] = max(min(self._tools.values()), quiet_since + self._every_s)


def add_sound_due(
    due: dict[Timer, float],
    limits: Limits,
    playout: Playout,
    *,
    waits_since: float | None,
    tool_done_at: float,
    connecting_since: float | None,
    sound_at: float,
) -> None:
    """Adds when the caller has waited long enough for any sound, and when for the agent.

    Args:
        due: where it is added.
        limits: the bounds.
        playout: what the caller still hears.
        waits_since: since when they wait for the agent; None while they do not.
        tool_done_at: when a tool last answered; the agent has its time from there.
        connecting_since: since when there is no session; None while there is one.
        sound_at: when a clip or a waiting sound was last due. There may be no clip to play: then it has made
            no sound.
    """
    sound_at = max(sound_at, playout.quiet_at)
    if connecting_since is not None:
        # Also for a caller who waits for nothing yet: the keys that they press, say, are not complete.
        due[Timer.CLIP] = max(connecting_since, sound_at) + limits.clip_after_s
    if waits_since is not None:
        # A caller who waits for an answer knows that somebody is there, and may wait 3 s; one who has nobody
        # hears the clip after 1.5 s.
        after_s = limits.clip_after_s if connecting_since is None else limits.connect_clip_after_s
        clip_due = max(waits_since, sound_at) + after_s
        due[Timer.CLIP] = min(due.get(Timer.CLIP, clip_due), clip_due)
        # A tool that answered starts the patience with the agent anew, and not the one with silence: the
        # caller has heard nothing meanwhile.
        waits_since = max(waits_since, playout.agent_until)
        patience_at = max(waits_since, tool_done_at) + limits.give_up_after_s
        # Whatever tools do: the wait for the agent's voice has an end that does not move with them.
        due[Timer.GIVE_UP] = min(patience_at, waits_since + limits.wait_max_s)
