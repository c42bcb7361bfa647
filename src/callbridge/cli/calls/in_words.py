"""Times, money and words as the screens of calls show them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from callbridge.observe.redaction import escaped

MICRODOLLARS: Final = 1_000_000
VALUE_MAX: Final = 60


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


def quoted(words: str) -> str:
    """What somebody said. What a terminal would obey is written out."""
    return f"“{escaped(words)}”"


def short(value: object) -> str:
    """A value in one line, and not all of a long one."""
    text = escaped(str(value))
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"


def counted(number: int, thing: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
