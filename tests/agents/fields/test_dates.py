"""Days and moments: by the caller's clock, and those that are past refused."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import pytest
from pydantic import AfterValidator

from callbridge.fields import At, BirthDate, Date, DateAndTime, date_and_time, day
from field_reading import read, read_back, refused

AnyDay = Annotated[dt.date, day(past=True)]
AnyTime = Annotated[dt.datetime, date_and_time(past=True)]


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00", "2026-12-01"),
        ("today", "2026-11-28"),
        ("Tomorrow.", "2026-11-29"),
        ("the day after tomorrow", "2026-11-30"),
        ("Sunday", "2026-11-29"),
        ("next saturday", "2026-12-05"),
        ("in 2 weeks", "2026-12-12"),
        ("in 1 day", "2026-11-29"),
        ("12-24", "2026-12-24"),
        ("--01-02", "2027-01-02"),
        ("02-29", "2028-02-29"),
    ],
)
def test_a_day_is_read(said: str, date: str) -> None:
    assert read(Date, said) == date


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("2026-11-27", "2026-11-27 is past, today is Saturday, 2026-11-28"),
        ("yesterday", "is past"),
        ("2026-13-01", "there is no day 2026-13-01"),
        ("02-30", "there is no day 02-30"),
        ("2066-01-01", "too far away"),
        ("1.12.2026", "write it as YYYY-MM-DD"),
        ("2026-12-01T15:00", "write it as YYYY-MM-DD"),
        ("soon", "write it as YYYY-MM-DD"),
        (20261201, "must be a text"),
    ],
)
def test_what_is_no_day_to_come_is_refused(said: object, words: str) -> None:
    assert words in refused(Date, said)


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-12-01T15:00", "2026-12-01T15:00:00+01:00"),
        ("2026-12-01 15:00:59", "2026-12-01T15:00:00+01:00"),
        ("2027-07-01T15:00", "2027-07-01T15:00:00+02:00"),
        ("2026-12-01T15:00:00Z", "2026-12-01T16:00:00+01:00"),
        ("2026-12-01T15:00-0500", "2026-12-01T21:00:00+01:00"),
        ("2027-10-31T02:30", "2027-10-31T02:30:00+02:00"),
        ("tomorrow at 15:00", "2026-11-29T15:00:00+01:00"),
        ("tomorrowT15:00", "2026-11-29T15:00:00+01:00"),
        ("Monday, 3 pm", "2026-11-30T15:00:00+01:00"),
        ("tomorrow 12:30 a.m.", "2026-11-29T00:30:00+01:00"),
        ("in 3 days at noon", "2026-12-01T12:00:00+01:00"),
        ("today 12:00", "2026-11-28T12:00:00+01:00"),
    ],
)
def test_a_moment_is_read_by_the_callers_clock(said: str, moment: str) -> None:
    assert read(DateAndTime, said) == moment


def test_today_is_the_callers() -> None:
    """At noon in Berlin it is Sunday in Kiritimati."""
    assert read(Date, "tomorrow", time_zone="Pacific/Kiritimati") == "2026-11-30"
    assert read(DateAndTime, "tomorrow 9:00", time_zone="Pacific/Kiritimati") == "2026-11-30T09:00:00+14:00"


@pytest.mark.parametrize(
    ("utc", "said", "moment"),
    [
        ("2026-10-25T00:10:00", "02:30", "02:30:00+02:00"),
        ("2026-10-25T01:10:40", "02:30", "02:30:00+01:00"),
        ("2026-10-25T01:10:40", "02:10", "02:10:00+01:00"),
        ("2026-10-25T01:10:40", "02:05", None),
        ("2026-10-25T00:10:00", "03:00", "03:00:00+01:00"),
    ],
)
def test_an_hour_that_comes_twice_is_the_one_to_come(utc: str, said: str, moment: str | None) -> None:
    """The clocks are put back from 3:00 to 2:00."""
    ready, at = date_and_time(), At(time_zone="Europe/Berlin", now=dt.datetime.fromisoformat(f"{utc}+00:00"))
    if moment is None:
        with pytest.raises(ValueError, match="is past"):
            ready.read(f"today {said}", at)
        return
    found = ready.read(f"today {said}", at)
    assert found == f"2026-10-25T{moment}"
    assert ready.read(found, at) == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("today 11:59", "is past, it is Saturday, 2026-11-28 12:00 now"),
        ("2026-12-01", "has no time"),
        ("15:00", "must begin with the day"),
        ("tomorrow at three", "morning or afternoon"),
        ("tomorrow at 25:00", "there is no time 25:00"),
        ("tomorrow 13 pm", "there is no time 13 pm"),
        ("2026-12-01T15:00+99:00", "there is no time"),
        ("2027-03-28T02:30", "clocks are put forward"),
        ("2046-12-31T23:00-12:00", "too far away"),
        (None, "must be a text"),
    ],
)
def test_what_is_no_moment_to_come_is_refused(said: object, words: str) -> None:
    assert words in refused(DateAndTime, said)


def test_the_past_is_allowed_where_it_is_asked_for() -> None:
    assert read(AnyDay, "yesterday") == "2026-11-27"
    assert read(AnyTime, "today 11:59") == "2026-11-28T11:59:00+01:00"
    assert "too far away" in refused(AnyTime, "1970-01-01T00:00", time_zone="Africa/Monrovia")


def in_opening_hours(moment: dt.datetime) -> dt.datetime:
    if moment.weekday() == 6:
        raise ValueError("we are closed on Sundays")
    return moment


def test_a_users_own_rule_judges_the_moment() -> None:
    Opened = Annotated[DateAndTime, AfterValidator(in_opening_hours)]  # noqa: N806 - a type
    assert "we are closed on Sundays" in refused(Opened, "tomorrow 10:00")
    assert read(Opened, "monday 10:00", time_zone="UTC") == "2026-11-30T10:00:00Z"
    assert read_back(Opened, "monday 10:00", time_zone="UTC") == "Monday, November 30 at 10 AM"


def test_a_birth_date_is_past() -> None:
    assert read(BirthDate, "1985-04-03") == "1985-04-03"
    assert read(BirthDate, "2026-11-28") == "2026-11-28"
    assert "ask for the year" in refused(BirthDate, "2026-11-29")
    assert "ask the caller for the year" in refused(BirthDate, "1900-01-01")
    assert "YYYY-MM-DD" in refused(BirthDate, "85-04-03")


@pytest.mark.parametrize(
    ("language", "soon", "later", "moment", "birth"),
    [
        (
            "en", "Tuesday, December 1", "Friday, January 1, 2027", "Tuesday, December 1 at 3:05 PM",
            "April 3, 1985",
        ),
        ("de", "Dienstag, 1. Dezember", "Freitag, 1. Januar 2027", "Dienstag, 1. Dezember um 15 Uhr 05",
         "3. April 1985"),
        ("es", "martes 1 de diciembre", "viernes 1 de enero de 2027", "martes 1 de diciembre, 15:05 horas",
         "3 de abril de 1985"),
        ("fr", "mardi 1er décembre", "vendredi 1er janvier 2027", "mardi 1er décembre à 15 h 05",
         "3 avril 1985"),
        ("ja", "12月1日、火曜日", "2027年1月1日、金曜日", "12月1日、火曜日、15時05分", "1985年4月3日"),
    ],
)  # fmt: skip
def test_they_are_read_back_in_the_language(
    language: str, soon: str, later: str, moment: str, birth: str
) -> None:
    assert read_back(Date, "2026-12-01", language=language) == soon
    assert read_back(Date, "2027-01-01", language=language) == later
    assert read_back(DateAndTime, "2026-12-01T15:05", language=language) == moment
    assert read_back(BirthDate, "1985-04-03", language=language) == birth


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("00:00", "12 AM"),
        ("00:30", "12:30 AM"),
        ("11:00", "11 AM"),
        ("12:00", "12 PM"),
        ("23:59", "11:59 PM"),
    ],
)
def test_twelve_hours_are_said_right(time: str, words: str) -> None:
    assert read_back(DateAndTime, f"2026-12-01T{time}") == f"Tuesday, December 1 at {words}"
