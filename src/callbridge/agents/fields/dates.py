"""`Date`, `DateAndTime` and `BirthDate`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from callbridge.agents.fields.moments import (
    birth_day_said,
    day_of,
    day_said,
    is_past,
    moment_of,
    moment_said,
    today,
)
from callbridge.agents.fields.ready import Ready

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

_RELATIVE: Final = (
    "If you are not sure of today's date, write it from today: 'tomorrow', 'monday' or 'in 3 days' "
    "in place of the date."
)


class DateReady(Ready):
    """A day.

    Args:
        past: whether it may lie before today.
    """

    def __init__(self, *, past: bool = False) -> None:
        self._past = past

    @property
    def description(self) -> str:
        """What the model is told."""
        return f"A day as YYYY-MM-DD. {_RELATIVE}"

    @property
    def goes_by_the_clock(self) -> bool:
        """Today is another day elsewhere."""
        return True

    def read(self, said: object, at: At) -> str:
        """The day as ISO 8601 has it."""
        read = day_of(said, "the date", at)
        if read < today(at) and not self._past:
            raise ValueError(f"{read} is past, today is {today(at):%A, %Y-%m-%d}; ask for a day to come")
        return read.isoformat()

    def read_back(self, value: Any, at: At) -> str:
        """Weekday, day and month."""
        return day_said(dt.date.fromisoformat(value), at)


class DateAndTimeReady(Ready):
    """A moment by the caller's clock.

    Args:
        past: whether it may lie before now.
    """

    def __init__(self, *, past: bool = False) -> None:
        self._past = past

    @property
    def description(self) -> str:
        """What the model is told."""
        return (
            "A day and a time by the caller's clock as YYYY-MM-DDTHH:MM, 24 hours, without a zone unless the "
            f"caller names another one. {_RELATIVE} Ask for both, and for morning or afternoon if unclear."
        )

    @property
    def goes_by_the_clock(self) -> bool:
        """It does."""
        return True

    def read(self, said: object, at: At) -> str:
        """The moment as ISO 8601 has it, with the zone's distance from UTC."""
        moment = moment_of(said, "the date and time", at)
        if is_past(moment, at) and not self._past:
            now = at.now.astimezone(ZoneInfo(at.time_zone))
            raise ValueError(
                f"{moment:%A, %Y-%m-%d %H:%M} is past, it is {now:%A, %Y-%m-%d %H:%M} now; ask for a time "
                "to come"
            )
        return moment.isoformat()

    def read_back(self, value: Any, at: At) -> str:
        """Weekday, day, month and time."""
        return moment_said(dt.datetime.fromisoformat(value), at)


class BirthDateReady(Ready):
    """The day on which a person was born."""

    description = "A date of birth as YYYY-MM-DD. Ask for day, month and year with all its four digits."

    def read(self, said: object, at: At) -> str:
        """The day as ISO 8601 has it."""
        read = day_of(said, "the date of birth", at)
        if read > today(at):
            raise ValueError(f"nobody was born on {read}, which is to come; ask for the year")
        return read.isoformat()

    def read_back(self, value: Any, at: At) -> str:
        """Day, month and year."""
        return birth_day_said(dt.date.fromisoformat(value), at)


def day(*, past: bool = False) -> DateReady:
    """A day that may lie before today.

    It stands in `Annotated[datetime.date, day(past=True)]`.
    """
    return DateReady(past=past)


def date_and_time(*, past: bool = False) -> DateAndTimeReady:
    """A moment that may lie before now.

    It stands in `Annotated[datetime.datetime, date_and_time(past=True)]`.
    """
    return DateAndTimeReady(past=past)


Date: TypeAlias = Annotated[dt.date, day()]
"""Today or a day to come."""
DateAndTime: TypeAlias = Annotated[dt.datetime, date_and_time()]
"""A moment to come, with its distance from UTC in the caller's zone."""
BirthDate: TypeAlias = Annotated[dt.date, BirthDateReady()]
"""The day on which a person was born."""
