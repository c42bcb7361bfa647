"""Office hours: `Mo-Fr 9:00-12:30 13:30-18:00, Sa 10-13, !12-25` read strictly, and whether they are open.

Days have their English names, from two letters on. `closed` takes a day out, `!2026-12-25` a date, `!12-25`
that date of every year. Hours without a day are those of every day. There is no time zone in here: whoever
asks has the local time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK: Final = r"(\d{1,2})(?::(\d\d))?"
_SPAN: Final = re.compile(rf"{_CLOCK}-{_CLOCK}", re.ASCII)
_DATE: Final = re.compile(r"!(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
_DAY_MIN: Final = 24 * 60
_TEXT_MAX: Final = 1000
_LOOK_AHEAD_DAYS: Final = 366

_Span = tuple[int, int]
"""From and to, in minutes of the day that it begins on; to is later than 24:00 for one over midnight."""

EXAMPLE: Final = "Mo-Fr 9:00-17:30, Sa 10:00-13:00"


class HoursFault(ValueError):  # noqa: N818  # What is wrong is the text, and not the program.
    """The text is no office hours. It says why, and what to write."""


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When somebody is there. Made by `parse`."""

    text: str
    """As they were written."""
    spans: tuple[tuple[_Span, ...], ...]
    """Of each day of the week, Monday first, in order."""
    closed_on: frozenset[tuple[int, int, int]]
    """Dates without hours; of every year where the year is 0."""

    @classmethod
    def parse(cls, text: str) -> OfficeHours:
        """Reads hours such as `Mo-Fr 9:00-17:30, Sa 10:00-13:00`.

        Raises:
            HoursFault: a ValueError whose text says what is wrong.
        """
        if not text.strip() or len(text) > _TEXT_MAX:
            raise HoursFault(f"office hours are something like {EXAMPLE!r}, at most {_TEXT_MAX} characters")
        reading = _Reading()
        for word in re.sub(r"\s*[-\u2013]\s*", "-", text).replace(",", " ").replace(";", " ").split():
            reading.take(word.lower())
        return cls(text.strip(), reading.spans(), frozenset(reading.dates))

    def are_open(self, local: datetime) -> bool:
        """Whether somebody is there at this local time. One over midnight is of the day it begins on."""
        minute = local.hour * 60 + local.minute
        today = local.date()
        return any(start <= minute < end for start, end in self._on(today)) or any(
            minute < end - _DAY_MIN for _, end in self._on(today - timedelta(days=1))
        )

    def next_opening(self, local: datetime) -> datetime | None:
        """When they open after this local time; None where that is not within a year."""
        for ahead in range(_LOOK_AHEAD_DAYS):
            day = local.date() + timedelta(days=ahead)
            for start, _ in self._on(day):
                opening = datetime.combine(day, time(start // 60, start % 60), tzinfo=local.tzinfo)
                if opening.replace(tzinfo=None) > local.replace(tzinfo=None):
                    return opening
        return None

    def _on(self, day: date) -> tuple[_Span, ...]:
        closed = {(day.year, day.month, day.day), (0, day.month, day.day)} & self.closed_on
        return () if closed else self.spans[day.weekday()]

    def __str__(self) -> str:
        return self.text


class _Reading:
    """What was read so far: the days that the next hours are of, and the hours of each."""

    def __init__(self) -> None:
        self.dates: set[tuple[int, int, int]] = set()
        self._days: list[int] = []
        self._is_waiting = False
        """Days were named, and not yet their hours."""
        self._begun, self._after_date = False, False
        self._of: list[list[_Span]] = [[] for _ in _DAYS]
        self._closed: set[int] = set()

    def take(self, word: str) -> None:
        """The next word."""
        if word.startswith("!"):
            self._refuse_waiting()
            self.dates.add(_date_of(word))
            self._after_date = True
        elif word == "closed":
            self._closed |= set(self._hours_of(word))
        elif (span := _SPAN.fullmatch(word)) is not None:
            for day in self._hours_of(word):
                self._of[day].append(_span_of(word, span))
        else:
            self._take_days(word)
        self._begun = True

    def spans(self) -> tuple[tuple[_Span, ...], ...]:
        """The hours of each day.

        Raises:
            HoursFault: a day has none, or two spans overlap.
        """
        self._refuse_waiting()
        for day in self._closed:
            self._of[day] = []
        _refuse_overlap(self._of)
        return tuple(tuple(sorted(spans)) for spans in self._of)

    def _take_days(self, word: str) -> None:
        if not self._is_waiting:
            self._days = []
        self._days += _days_of(word)
        self._is_waiting, self._after_date = True, False

    def _hours_of(self, word: str) -> list[int]:
        if self._after_date:
            raise HoursFault(f"{word!r} follows a date, which is closed all day; name the days of the hours")
        if not self._begun and word != "closed":
            self._days = list(range(7))
        if not self._days:
            raise HoursFault(f"{word!r}: on which days? write something like {EXAMPLE!r}")
        self._is_waiting = False
        return self._days

    def _refuse_waiting(self) -> None:
        if self._is_waiting:
            names = ", ".join(_DAYS[day].capitalize() for day in self._days)
            raise HoursFault(f"{names}: add the hours, such as 9:00-17:30, or 'closed'")


def _days_of(word: str) -> list[int]:
    first, dash, last = word.partition("-")
    start = _day_of(first)
    end = _day_of(last) if dash else start
    return [(start + ahead) % 7 for ahead in range((end - start) % 7 + 1)]


def _day_of(name: str) -> int:
    day = next((n for n, whole in enumerate(_DAYS) if len(name) >= 2 and whole.startswith(name)), None)
    if day is None:
        raise HoursFault(
            f"{name!r} is neither a day (Mo, Tue, …) nor hours (9:00-17:30); write something like {EXAMPLE!r}"
        )
    return day


def _span_of(word: str, found: re.Match[str]) -> _Span:
    start, end = _minute_of(word, *found.group(1, 2)), _minute_of(word, *found.group(3, 4))
    if start in {end, _DAY_MIN}:
        raise HoursFault(f"{word!r} begins when it ends; the whole day is 0:00-24:00")
    return start, end if end > start else end + _DAY_MIN


def _minute_of(word: str, hour: str, minute: str | None) -> int:
    clock = int(hour) * 60 + int(minute or 0)
    if int(minute or 0) > 59 or clock > _DAY_MIN:
        raise HoursFault(f"{word!r} has no such time of the day; hours go from 0:00 to 24:00")
    return clock


def _date_of(word: str) -> tuple[int, int, int]:
    found = _DATE.fullmatch(word)
    try:
        if found is not None:
            year, month, day = int(found[1] or 0), int(found[2]), int(found[3])
            date(year or 2000, month, day)  # A leap year: the 29th of February may be closed.
            return year, month, day
    except ValueError:
        pass
    raise HoursFault(f"{word!r} is no date; write !2026-12-25, or !12-25 for that of every year")


def _refuse_overlap(of: list[list[_Span]]) -> None:
    week = sorted((day * _DAY_MIN + s, day * _DAY_MIN + e) for day, spans in enumerate(of) for s, e in spans)
    if week:
        first = week[0]
        week.append((first[0] + 7 * _DAY_MIN, first[1] + 7 * _DAY_MIN))
    for (_, end), (start, _) in pairwise(week):
        if start < end:
            day = _DAYS[start // _DAY_MIN % 7].capitalize()
            raise HoursFault(f"two hours of {day} overlap; write those of each day once")
