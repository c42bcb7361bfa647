"""A witness in the caller's ear: what they heard over a whole call, and when they heard and said nothing.

Pure. A stream knows only its own silences; the worst ones lie across its ends, where a webhook is asked and
the next stream is connected. So all sounds of a call are laid onto one line of time, and the gaps are read
off it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SILENCE_LEAST_S = 1.5
"""Shorter ones lie between the turns of any conversation and are not listed."""

ANSWERED = "answer"
"""What a silence follows that begins with the call itself."""

ENDED = "end"
"""What follows a silence that lasts to the end of the call."""

HUNG_UP = "hang-up"
"""The same, when it was the caller who ended the call."""

CALLER = "caller"
"""Whose sounds the caller makes; every other sound is one that the caller hears."""

AGENT = "agent"

CLIP = "clip"
"""A sound that the bridge plays of its own, where it is known to the phone (`StreamSettings.clips`)."""

RINGING = "<Dial>"
"""The ringing of a `<Dial>`; where it is scripted, without an exchange, the whole of it."""

WAITING_MUSIC = "<Conference>"
"""What is heard in a conference before the talk begins."""

OF_NOBODY = frozenset({CLIP, RINGING, WAITING_MUSIC})
"""Sounds that tell a caller to wait, and are no word to them."""

PAUSE_MAX_S = 0.4
"""A gap as short as this lies between words: it belongs to what is heard."""


@dataclass(slots=True)
class Sound:
    """Something that was heard, or said by the caller, without a gap."""

    start: float
    end: float
    """The same as `start` for a verb that took no time: it ends one silence and begins another."""
    source: str
    """`agent`, `clip`, `caller`, the verb that Twilio carried out, as `<Say>`, or the address of a person."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch without any sound."""

    start: float
    end: float
    after: str
    """Source of the sound before it; `answer` when there was none yet."""
    before: str = ENDED
    """Source of the sound that ended it; `end` or `hang-up` when there was none any more."""

    @property
    def duration_s(self) -> float:
        """How long it lasted."""
        return self.end - self.start


class Sounds:
    """The sounds of one stream as they come in, window by window; those that touch become one."""

    def __init__(self) -> None:
        self.all: list[Sound] = []
        self._latest: dict[str, Sound] = {}

    def add(self, start: float, end: float, source: str) -> None:
        """A window in which `source` was audible; the windows of a source come in their order."""
        latest = self._latest.get(source)
        if latest is not None and start <= latest.end + _TOUCHING_S:
            latest.end = max(latest.end, end)
            return
        self._latest[source] = sound = Sound(start, end, source)
        self.all.append(sound)


_TOUCHING_S = 1e-6
"""Windows are 20 ms; what lies nearer is rounding."""


def silences(
    sounds: Iterable[Sound], answered_at: float, ended_at: float, ended_by: str = ENDED
) -> list[Silence]:
    """Every gap between the sounds of a call, from its answer to its end, however short."""
    gaps = []
    quiet_from, after = answered_at, ANSWERED
    for sound in sorted(sounds, key=lambda sound: sound.start):
        if sound.start >= ended_at:
            break
        if sound.start > quiet_from:
            gaps.append(Silence(quiet_from, sound.start, after, sound.source))
        if sound.end >= quiet_from:
            quiet_from, after = sound.end, sound.source
    if ended_at > quiet_from:
        gaps.append(Silence(quiet_from, ended_at, after, ended_by))
    return gaps


def longest_wait_s(
    sounds: Iterable[Sound], turns: Sequence[Sound], answered_at: float, ended_at: float, ended_by: str
) -> float:
    """The longest time in which the caller heard nobody, and it was not their turn.

    Nobody is heard in silence, and in whatever only tells them to wait: ringing, music, a clip.
    """
    somebody = [sound for sound in sounds if sound.source not in OF_NOBODY]
    waits = silences(somebody, answered_at, ended_at, ended_by)
    return max((wait.duration_s for wait in waits if not is_callers_turn(wait, turns)), default=0.0)


def is_callers_turn(silence: Silence, turns: Iterable[Sound]) -> bool:
    """Whether it was the caller who let the other side wait.

    So it is between the agent's words and the caller's, or their hang-up, and wherever `turns` says that the
    caller meant to be silent. After a clip or a verb, and before the first sound, the agent is waited for.

    Args:
        silence: one of the call's.
        turns: when the caller was silent on purpose, or was asked to enter something.
    """
    if silence.after == AGENT and silence.before in {CALLER, HUNG_UP}:
        return True
    return any(turn.start < silence.end and turn.end > silence.start for turn in turns)


def heard(sounds: Iterable[Sound]) -> list[Sound]:
    """What the caller heard, in its order; the gaps between the words of one source belong to it."""
    joined: list[Sound] = []
    for sound in sorted(sounds, key=lambda sound: sound.start):
        if sound.source == CALLER:
            continue
        latest = joined[-1] if joined else None
        if latest and latest.source == sound.source and sound.start - latest.end < PAUSE_MAX_S:
            latest.end = max(latest.end, sound.end)
        else:
            joined.append(Sound(sound.start, sound.end, sound.source))
    return joined


def resumed_after(stream_ends: Sequence[float], sounds: Iterable[Sound]) -> list[float | None]:
    """Seconds from the end of each stream but the last to the next sound that the caller hears.

    A verb in between counts, as the caller knows no streams. None when nothing was heard any more.
    """
    heard = sorted(sound.start for sound in sounds if sound.source != CALLER)
    firsts = (next((start for start in heard if start >= end), None) for end in stream_ends[:-1])
    return [
        None if first is None else first - end for first, end in zip(firsts, stream_ends[:-1], strict=True)
    ]
