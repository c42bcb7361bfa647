"""Times and money of calls as people read them, on every screen and page."""

from __future__ import annotations

import datetime as dt
from typing import Final

MICRODOLLARS: Final = 1_000_000


def length(ms: int) -> str:
    """How long something took: `4.2 s`, `1:24 min`, `1:02:05 h`."""
    seconds = round(ms / 1000)
    if seconds < 60:
        return f"{ms / 1000:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02} min"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} h"


def place(ms: int) -> str:
    """When in a call: `0:05.2`."""
    tenths = max(round(ms / 100), 0)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def dollars(microdollars: int) -> str:
    """An amount of money. A thousandth of a cent is the smallest that is shown."""
    return f"${microdollars / MICRODOLLARS:,.4f}"


def moment(at: float) -> dt.datetime:
    """When, in the time zone of this machine."""
    return dt.datetime.fromtimestamp(at).astimezone()


def counted(number: int, thing: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
