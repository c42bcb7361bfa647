"""Whether somebody is there: the office hours of the fallback, by the clock of where it is.

Pure: the time is passed in.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from callbridge.agents.office_hours import OfficeHours


@dataclass(frozen=True, slots=True)
class Office:
    """Where the humans of the fallback are, and when."""

    hours: OfficeHours | None = None
    """Nothing: at any time."""
    time_zone: str = "UTC"

    def is_open(self, now: float) -> bool:
        """Whether a human may be rung.

        Args:
            now: wall time, in seconds since 1970.
        """
        return self.keeps(self.hours, now)

    def keeps(self, hours: OfficeHours | None, now: float) -> bool:
        """Whether it is within these hours there; nothing is any time."""
        return hours is None or hours.are_open(dt.datetime.fromtimestamp(now, ZoneInfo(self.time_zone)))
