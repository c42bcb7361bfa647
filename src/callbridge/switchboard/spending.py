"""What the calls of the last hour and the last day cost, and whether that is enough.

What a call costs is known after each of its responses. The calls that are live when a cap is reached may go
on for a while, and are ended when a fifth more was spent. What each of them may cost after that is the
response that it is making, and its goodbye.

Several processes with one state tell each other what they spend, so each has the account of all.

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
        self._by_minute: dict[int, int] = {}
        # Both sums are counted once a minute, and kept up in between: with many processes, bills come often.
        self._counted_at: int | None = None
        self._in_hour = self._in_day = 0

    def __repr__(self) -> str:
        return f"<Spending minutes={len(self._by_minute)} microdollars={sum(self._by_minute.values())}>"

    def add(self, now: float, microdollars: int, age_s: float = 0.0) -> SpendLevel | None:
        """Something was spent. Answers the level that this has led to, where it is a higher one.

        Args:
            now: the time.
            microdollars: how much.
            age_s: how long ago, where another process has spent it. Of its clock's future is of now.
        """
        before = self.level(now)
        self._add(now, now - max(0.0, age_s), microdollars)
        after = self.level(now)
        return after if after > before else None

    def level(self, now: float) -> SpendLevel:
        """What may go on."""
        return self._level(self.hour_microdollars(now), self.day_microdollars(now))

    def hour_microdollars(self, now: float) -> int:
        """Spent in the last hour."""
        self._count(_minute(now))
        return self._in_hour

    def day_microdollars(self, now: float) -> int:
        """Spent in the last day."""
        self._count(_minute(now))
        return self._in_day

    def restore(self, spent: Iterable[tuple[float, int]], *, wall_now: float, now: float) -> None:
        """The account is what all processes have spent so far, the earlier ones and this one included.

        Args:
            spent: wall-clock seconds and microdollars, in any order. Those of the last day are enough.
            wall_now: the wall clock at this moment.
            now: the same moment on the clock of all other methods.
        """
        self._by_minute, self._counted_at = {}, None
        for at, microdollars in spent:
            # A wall clock that was set back makes no future.
            self._add(now, now - max(0.0, wall_now - at), microdollars)

    def _add(self, now: float, at: float, microdollars: int) -> None:
        assert microdollars >= 0, "nobody pays us"
        this_minute, minute = _minute(now), _minute(at)
        self._count(this_minute)
        if minute < this_minute - _DAY:
            return
        self._by_minute[minute] = self._by_minute.get(minute, 0) + microdollars
        self._in_day += microdollars
        if minute >= this_minute - _HOUR:
            self._in_hour += microdollars

    def _count(self, this_minute: int) -> None:
        """Makes the sums those of this minute; what no window has any more is forgotten."""
        if self._counted_at == this_minute:
            return
        self._counted_at = this_minute
        self._by_minute = {at: spent for at, spent in self._by_minute.items() if at >= this_minute - _DAY}
        self._in_day = sum(self._by_minute.values())
        self._in_hour = sum(spent for at, spent in self._by_minute.items() if at >= this_minute - _HOUR)

    def _level(self, in_hour: int, in_day: int) -> SpendLevel:
        """By the cap of which more was spent."""
        percent = max(_percent(in_hour, self._per_hour_max), _percent(in_day, self._per_day_max))
        if percent >= ENDS_CALLS_AT_PERCENT:
            return SpendLevel.CALLS_END
        return SpendLevel.CAP_REACHED if percent >= 100 else SpendLevel.WITHIN_CAPS


def _minute(at: float) -> int:
    return int(at // _BUCKET_S)


def _percent(spent: int, cap: int | None) -> int:
    """Rounded down. Without a cap nothing is a part of it."""
    return 0 if cap is None else spent * 100 // cap
