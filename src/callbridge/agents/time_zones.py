"""Which names of time zones there are."""

from __future__ import annotations

import zoneinfo


def is_time_zone(name: str) -> bool:
    """Whether there is a time zone of this name, such as `Europe/Berlin`."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # A path, a folder, a name of nothing.
        return False
    return True
