"""What the calls of the last hour and the last day cost, and whether that is enough.

What a call costs is known after each of its responses. The calls that are live when a cap is reached may go
on for a while, and are ended when a fifth more was spent. What each of them may cost after that is the
response that it is making, and its goodbye.

In memory and pure: the time is passed in, always of one clock that never goes back. What a store kept in
wall-clock time is brought to that clock by `restore`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDS_CALLS_AT_PERCENT: Final = 120
"""Of a cap. Below it new calls are declined, and nobody is ended in the middle of a sentence."""

_BUCKET_S: Final = 60.0
_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
"""In buckets of a minute. A day has 1,441 of them, however many calls it has."""


class SpendLevel(enum.IntEnum):
    """How much was spent, and so what may go on."""

    WITHIN_CAPS = 0
    CAP_REACHED = 1
    """No new call may begin."""
    CALLS_END = 2
    """The live calls have to end."""


class Spending:
    """A rolling account by minutes.

    The minute in which a window begins counts in full: an hour is up to 61 minutes here, never less than 60.
    """

    def __init__(
        self, *, per_hour_max_microdollars: int | None = None, per_day_max_microdollars: int | None = None
    ) -> None:
        self._per_hour_max = per_hour_max_microdollars
        self._per_day_max = per_day_max_microdollars
        # In the order of time.
        self._by_minute: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Spending minutes={len(self._by_minute)} microdollars={sum(self._by_minute.values())}>"

    def add(self, now: float, microdollars: int) -> SpendLevel | None:
        """Something was spent just now. Answers the level that this has led to, where it is a higher one."""
        self._add(now, microdollars)
        in_hour, in_day = self.hour_microdollars(now), self.day_microdollars(now)
        after = self._level(in_hour, in_day)
        return after if after > self._level(in_hour - microdollars, in_day - microdollars) else None

    def level(self, now: float) -> SpendLevel:
        """What may go on."""
        return self._level(self.hour_microdollars(now), self.day_microdollars(now))

    def hour_microdollars(self, now: float) -> int:
        """Spent in the last hour."""
        return self._since(_minute(now) - _HOUR)

    def day_microdollars(self, now: float) -> int:
        """Spent in the last day."""
        return self._since(_minute(now) - _DAY)

    def restore(self, spent: Iterable[tuple[float, int]], *, wall_now: float, now: float) -> None:
        """Takes over what earlier processes spent.

        Args:
            spent: wall-clock seconds and microdollars, in any order. Those of the last day are enough.
            wall_now: the wall clock at this moment.
            now: the same moment on the clock of all other methods.
        """
        for at, microdollars in sorted(spent):
            age_s = max(0.0, wall_now - at)  # A wall clock that was set back makes no future.
            if age_s <= (_DAY + 1) * _BUCKET_S:
                self._add(now - age_s, microdollars)

    def _add(self, at: float, microdollars: int) -> None:
        assert microdollars >= 0, "nobody pays us"
        minute = _minute(at)
        if minute not in self._by_minute:
            self._forget_before(minute - _DAY)
        self._by_minute[minute] = self._by_minute.get(minute, 0) + microdollars

    def _level(self, in_hour: int, in_day: int) -> SpendLevel:
        """By the cap of which more was spent."""
        percent = max(_percent(in_hour, self._per_hour_max), _percent(in_day, self._per_day_max))
        if percent >= ENDS_CALLS_AT_PERCENT:
            return SpendLevel.CALLS_END
        return SpendLevel.CAP_REACHED if percent >= 100 else SpendLevel.WITHIN_CAPS

    def _since(self, minute: int) -> int:
        total = 0
        for at, spent in reversed(self._by_minute.items()):  # The latest come last: an hour is 61 of 1,441.
            if at < minute:
                break
            total += spent
        return total

    def _forget_before(self, minute: int) -> None:
        self._by_minute = {at: spent for at, spent in self._by_minute.items() if at >= minute}


def _minute(at: float) -> int:
    return int(at // _BUCKET_S)


def _percent(spent: int, cap: int | None) -> int:
    """Rounded down. Without a cap nothing is a part of it."""
    return 0 if cap is None else spent * 100 // cap
