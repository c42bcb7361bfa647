"""Which of many like events get a line in the log: the first of a kind at once, then a count a minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT_EVERY_S: Final = 60.0
"""Strangers may cause thousands of events a second; a line for each hides all others and fills the disk."""


@dataclass(slots=True)
class _Kind:
    told_at: float
    untold: int = 0


@dataclass(slots=True)
class FirstOfKind:
    """The kinds of events that were seen, and how many of each no line has told yet.

    A kind is a name of ours, of which there are few, never a peer's own words: all of them are kept.
    """

    _kinds: dict[str, _Kind] = field(default_factory=dict)

    def take(self, kind: str, now: float) -> int | None:
        """One more of `kind`, at `now` in seconds.

        Returns:
            How many the line is about, this one among them; None if this one gets no line.
        """
        seen = self._kinds.get(kind)
        if seen is None:
            self._kinds[kind] = _Kind(told_at=now)
            return 1
        seen.untold += 1
        return _tell(seen, now)

    def rest(self, now: float) -> Iterator[tuple[str, int]]:
        """The kinds whose minute is over, each with how many of it no line has told: for a timer to ask.

        Without it, the last events of a flood that has ended would stay untold until the next of their kind.
        """
        for kind, seen in self._kinds.items():
            if seen.untold and (count := _tell(seen, now)):
                yield kind, count


def _tell(seen: _Kind, now: float) -> int | None:
    if now - seen.told_at < COUNT_EVERY_S:
        return None
    count, seen.untold, seen.told_at = seen.untold, 0, now
    return count
