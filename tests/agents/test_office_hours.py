"""Office hours: what is read, what is refused, and when they are open."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callbridge.agents.office_hours import HoursFault, OfficeHours

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 30, tzinfo=BERLIN)


def open_at(text: str) -> list[str]:
    """When these hours turn open and closed in a week, minute by minute."""
    hours, changes, was_open = OfficeHours.parse(text), [], None
    for minute in range(7 * 24 * 60):
        at = MONDAY + timedelta(minutes=minute)
        is_open = hours.are_open(at)
        if is_open is not was_open and (was_open is not None or is_open):
            changes.append(f"{at:%a %H:%M} {'open' if is_open else 'closed'}")
        was_open = is_open
    return changes


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Mo 9:00-17:30", "Mon 09:00 open, Mon 17:30 closed"),
        ("mon 9-12:30, 13:30-18", "Mon 09:00 open, Mon 12:30 closed, Mon 13:30 open, Mon 18:00 closed"),
        ("Su-Mo 10 \u2013 11", "Mon 10:00 open, Mon 11:00 closed, Sun 10:00 open, Sun 11:00 closed"),
        (
            "Mo 8-9; We 8-24; Thursday 0-10",
            "Mon 08:00 open, Mon 09:00 closed, Wed 08:00 open, Thu 10:00 closed",
        ),
        ("Fr 22:00-2:00", "Fri 22:00 open, Sat 02:00 closed"),
        ("Su 22:00-02:00", "Mon 00:00 open, Mon 02:00 closed, Sun 22:00 open"),
        ("0:00-24:00, Tu-Su closed", "Mon 00:00 open, Tue 00:00 closed"),
        ("0-24", "Mon 00:00 open"),
        ("Mo-Tu 9-10, !2026-12-01", "Mon 09:00 open, Mon 10:00 closed"),
        ("!11-30 Mo-Tu 9-10", "Tue 09:00 open, Tue 10:00 closed"),
        ("Mo closed", ""),
    ],
)
def test_hours_are_open_exactly_when_they_say_so(text: str, changes: str) -> None:
    assert ", ".join(open_at(text)) == changes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "something like"),
        ("x" * 1001, "at most 1000"),
        ("Mo-Fr", "Friday: add the hours"),
        ("Mo-Fr !12-25", "add the hours"),
        ("Mx 9-17", "neither a day"),
        ("M 9-17", "neither a day"),
        ("Mo 9:00-17:60", "no such time"),
        ("Mo 9:00-24:30", "no such time"),
        ("Mo 9:00-9:00", "0:00-24:00"),
        ("Mo 9am-5pm", "neither a day"),
        ("Mo-Fr 9-17, Fr 9-13", "hours of Friday overlap"),
        ("Su 22-2, Mo 1-3", "hours of Monday overlap"),
        ("!2026-02-29 Mo 9-10", "no date"),
        ("Mo 9-10 !25.12.", "no date"),
        ("Mo 9-10 !12-24 9-10", "follows a date"),
        ("closed", "on which days"),
    ],
)
def test_what_cannot_be_hours_is_refused_with_words(text: str, why: str) -> None:
    with pytest.raises(HoursFault, match=why):
        OfficeHours.parse(text)


def test_the_next_opening_is_found_behind_closed_days() -> None:
    hours = OfficeHours.parse("Mo-Fr 9:00-17:00, !12-25, !12-26, !01-01")
    local = datetime(2026, 12, 24, 17, 0, tzinfo=BERLIN)  # A Thursday.
    assert not hours.are_open(local)
    opening = hours.next_opening(local)
    assert opening is not None
    assert opening.isoformat() == "2026-12-28T09:00:00+01:00"
    assert OfficeHours.parse("Mo closed").next_opening(local) is None
