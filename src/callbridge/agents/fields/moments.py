"""How a day or a time that the model has written is understood: ISO 8601, or words that count from today."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.en import ENGLISH
from callbridge.agents.fields.spelling.tongues import tongue_of

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

YEARS_AHEAD: Final = 20
"""What is further away is a slip."""
AGE_MAX: Final = 125
"""Years: nobody is older."""
MOMENT_YEARS_BACK: Final = 50
"""Before 1972 some clocks differed from UTC by seconds, which the value's form does not have."""

_WEEKDAYS: Final = {name.lower(): number for number, name in enumerate(ENGLISH.weekdays)}
_FROM_TODAY: Final = {"today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2, "yesterday": -1}
_DAY: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)|(?:--)?(?P<month>\d\d)-(?P<day>\d\d)"
    r"|(?:the )?(?P<from_today>today|tonight|tomorrow|day after tomorrow|yesterday)"
    rf"|(?:(?:on|next|this) )?(?P<weekday>{'|'.join(_WEEKDAYS)})"
    r"|in (?P<count>\d{1,3}) (?P<unit>day|week)s?",
    re.ASCII,
)
_TIME: Final = re.compile(
    r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::\d\d(?:\.\d+)?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?P<zone>z|[+-]\d\d:?\d\d)?"
    r"|(?P<hour_12>\d\d?) ?(?P<half_12>[ap])\.?m\.?|(?P<noon>noon)",
    re.ASCII,
)
_BETWEEN: Final = re.compile(r"t(?=\d)|,? at |, | ")
"""What stands between a day and a time."""


def today(at: At) -> dt.date:
    """The day where the caller is."""
    return at.now.astimezone(ZoneInfo(at.time_zone)).date()


def day_of(said: object, what: str, at: At) -> dt.date:
    """The day that was written.

    Raises:
        ValueError: it is none that we understand, or too far away.
    """
    text = _plain(said, what)
    # A day with a time behind it, which is not asked for.
    match = _DAY.fullmatch(re.sub(r"t00:00(:00)?$", "", text))
    if match is None:
        raise ValueError(f"{what} {quoted(text)} is not understood; write it as YYYY-MM-DD")
    return _day(match, what, at)


def moment_of(said: object, what: str, at: At) -> dt.datetime:
    """The moment that was written, in the caller's zone, to the minute.

    Raises:
        ValueError: it is none that we understand, lacks its day or time, or does not exist there.
    """
    text = _plain(said, what)
    day = _DAY.match(text)
    if day is None:
        raise ValueError(f"{what} {quoted(text)} must begin with the day; write it as YYYY-MM-DDTHH:MM")
    between = _BETWEEN.match(text, day.end())
    if between is None:
        raise ValueError(
            f"{what} {quoted(text)} has no time; ask the caller for it and write YYYY-MM-DDTHH:MM"
        )
    time = _TIME.fullmatch(text, between.end())
    if time is None:
        raise ValueError(
            f"the time {quoted(text[between.end() :])} is not understood; write it as HH:MM of 24 hours, and "
            "ask whether morning or afternoon is meant if that is not clear"
        )
    moment = _placed(_day(day, what, at), time, at)
    _refuse_far(moment.date(), what, MOMENT_YEARS_BACK, at)
    return moment


def _plain(said: object, what: str) -> str:
    return text_of(said, what).lower().strip(" .")


def _day(match: re.Match[str], what: str, at: At) -> dt.date:
    try:
        day = _resolved(match, today(at))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{what}: there is no day {match[0]}; ask the caller again") from error
    _refuse_far(day, what, AGE_MAX, at)
    return day


def _refuse_far(day: dt.date, what: str, years_back: int, at: At) -> None:
    if not today(at).year - years_back <= day.year <= today(at).year + YEARS_AHEAD:
        raise ValueError(f"{what}: {day.isoformat()} is too far away; ask the caller for the year")


def _resolved(match: re.Match[str], here: dt.date) -> dt.date:
    if match["date"]:
        return dt.date.fromisoformat(match["date"])
    if match["from_today"]:
        return here + dt.timedelta(days=_FROM_TODAY[match["from_today"]])
    if match["weekday"]:
        # Never today: who means today says so.
        return here + dt.timedelta(days=(_WEEKDAYS[match["weekday"]] - here.weekday() - 1) % 7 + 1)
    if match["count"]:
        return here + dt.timedelta(days=int(match["count"]) * (7 if match["unit"] == "week" else 1))
    return _next_such_day(here, int(match["month"]), int(match["day"]))


def _next_such_day(here: dt.date, month: int, day: int) -> dt.date:
    # The 29th of February comes within eight years.
    for year in range(here.year, here.year + 9):
        if (month, day) == (2, 29) and not _is_leap(year):
            continue
        if (found := dt.date(year, month, day)) >= here:
            return found
    raise ValueError("it does not come")


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _placed(day: dt.date, time: re.Match[str], at: At) -> dt.datetime:
    zone = ZoneInfo(at.time_zone)
    try:
        clock = dt.time(*_hour_and_minute(time))
        if time["zone"]:
            written = dt.datetime.fromisoformat(f"{day}T{clock:%H:%M}{time['zone'].upper()}")
            return written.astimezone(zone)
    except ValueError as error:
        raise ValueError(f"there is no time {time[0]}; write it as HH:MM of 24 hours") from error
    placed = dt.datetime.combine(day, clock, zone)
    if placed.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != placed.replace(tzinfo=None):
        raise ValueError(f"the clocks are put forward that night, there is no {clock:%H:%M}; ask again")
    return _not_past(placed, at)


def _not_past(placed: dt.datetime, at: At) -> dt.datetime:
    """Of an hour that comes twice, when the clocks are put back, the second one if the first is over."""
    second = placed.replace(fold=1)
    return second if is_past(placed, at) and not is_past(second, at) else placed


def is_past(moment: dt.datetime, at: At) -> bool:
    """Whether it lies before this minute. In one zone Python would compare what clocks show."""
    return moment.astimezone(dt.UTC) < at.now.astimezone(dt.UTC).replace(second=0, microsecond=0)


def _hour_and_minute(time: re.Match[str]) -> tuple[int, int]:
    if time["noon"]:
        return 12, 0
    hour, minute = int(time["hour"] or time["hour_12"]), int(time["minute"] or 0)
    half = time["half"] or time["half_12"]
    if not half:
        return hour, minute
    if not 1 <= hour <= 12:
        raise ValueError("no hour of twelve")
    return hour % 12 + (12 if half == "p" else 0), minute


# --- Saying -------------------------------------------------------------------------------------------


def day_said(day: dt.date, at: At) -> str:
    """`Tuesday, December 1`, with the year where it is another one."""
    tongue = tongue_of(at.language)
    form = tongue.day if day.year == today(at).year else tongue.day_of_year
    return form.format(**_parts(day, at))


def birth_day_said(day: dt.date, at: At) -> str:
    """`December 1, 1985`."""
    return tongue_of(at.language).birth_day.format(**_parts(day, at))


def _parts(day: dt.date, at: At) -> dict[str, str]:
    tongue = tongue_of(at.language)
    return {
        "weekday": tongue.weekdays[day.weekday()],
        "day": tongue.first_day if day.day == 1 else str(day.day),
        "month": tongue.months[day.month - 1],
        "year": str(day.year),
    }


def moment_said(moment: dt.datetime, at: At) -> str:
    """`Tuesday, December 1 at 3:30 PM`, by the caller's clock."""
    tongue = tongue_of(at.language)
    here = moment.astimezone(ZoneInfo(at.time_zone))
    form = tongue.minute if here.minute else tongue.hour
    time = form.format(
        hour=here.hour,
        hour_12=(here.hour - 1) % 12 + 1,
        half="AM" if here.hour < 12 else "PM",
        minute=f"{here.minute:02}",
    )
    return tongue.moment.format(day=day_said(here.date(), at), time=time)
