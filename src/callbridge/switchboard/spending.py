"""What the calls of the last hour and the last day cost, and whether that is enough.

In memory and pure: the time is passed in, always of one clock that never goes back. What a store kept in
wall-clock time is brought to that clock by `restore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BUCKET_S: Final = 60.0
_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
"""In buckets of a minute. A day has 1,441 of them, however many calls it has."""


class Spending:
    """A rolling account by minutes.

    The minute in which a window begins counts in full: an hour is up to 61 minutes here, never less than 60.
    Calls that are live when a cap is reached go on, each up to its own cap; so the more often the cost of a
    live call is added (after each response rather than at its end), the sharper the cap.
    """

    def __init__(
        self, *, per_hour_max_microdollars: int | None = None, per_day_max_microdollars: int | None = None
    ) -> None:
        self._per_hour_max = per_hour_max_microdollars
        self._per_day_max = per_day_max_microdollars
        self._by_minute: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Spending minutes={len(self._by_minute)} microdollars={sum(self._by_minute.values())}>"

    def add(self, at: float, microdollars: int) -> None:
        """Something was spent at that time."""
        assert microdollars >= 0, "nobody pays us"
        minute = _minute(at)
        if minute not in self._by_minute:
            self._forget_before(minute - _DAY)
        self._by_minute[minute] = self._by_minute.get(minute, 0) + microdollars

    def declines(self, now: float) -> bool:
        """Whether a cap is reached: no new call may begin."""
        return _is_reached(self._per_hour_max, self.hour_microdollars, now) or _is_reached(
            self._per_day_max, self.day_microdollars, now
        )

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
        for at, microdollars in spent:
            age_s = max(0.0, wall_now - at)  # A wall clock that was set back makes no future.
            if age_s <= (_DAY + 1) * _BUCKET_S:
                self.add(now - age_s, microdollars)

    def _since(self, minute: int) -> int:
        return sum(spent for at, spent in self._by_minute.items() if at >= minute)

    def _forget_before(self, minute: int) -> None:
        self._by_minute = {at: spent for at, spent in self._by_minute.items() if at >= minute}


def _minute(at: float) -> int:
    return int(at // _BUCKET_S)


def _is_reached(limit: int | None, spent: Callable[[float], int], now: float) -> bool:
    return limit is not None and spent(now) >= limit
