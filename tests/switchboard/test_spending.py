"""Spending: rolling windows that never forget too early, and stay small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.switchboard.spending import Spending, SpendLevel

DOLLAR = 1_000_000


def declines(subject: Spending, now: float) -> bool:
    return subject.level(now) is not SpendLevel.WITHIN_CAPS


def test_without_caps_nothing_is_refused() -> None:
    subject = Spending()
    subject.add(0.0, 1_000 * DOLLAR)
    assert not declines(subject, 0.0)
    assert subject.hour_microdollars(0.0) == subject.day_microdollars(0.0) == 1_000 * DOLLAR


@pytest.mark.parametrize(
    ("spent", "now", "refused"),
    [
        ([], 0.0, False),
        ([(0.0, DOLLAR - 1)], 0.0, False),
        ([(0.0, DOLLAR)], 0.0, True),
        ([(0.0, DOLLAR)], 3_600.0, True),
        ([(0.0, DOLLAR)], 3_660.0, False),  # The minute in which the window begins counts in full.
        ([(0.0, DOLLAR), (4_000.0, DOLLAR - 1)], 4_000.0, False),
        ([(hour * 7_200.0, DOLLAR - 1) for hour in range(6)], 40_000.0, True),
        ([(hour * 7_200.0, DOLLAR - 1) for hour in range(6)], 86_460.0, False),
    ],
)
def test_caps_of_an_hour_and_a_day(spent: list[tuple[float, int]], now: float, refused: bool) -> None:
    """A dollar an hour, and five and a half a day."""
    subject = Spending(per_hour_max_microdollars=DOLLAR, per_day_max_microdollars=11 * DOLLAR // 2)
    for at, amount in spent:
        subject.add(at, amount)
    assert declines(subject, now) is refused


def test_only_one_cap_may_be_set() -> None:
    by_hour, by_day = Spending(per_hour_max_microdollars=1), Spending(per_day_max_microdollars=1)
    for subject in (by_hour, by_day):
        subject.add(0.0, 1)
        assert declines(subject, 0.0)
    assert not declines(by_hour, 7_200.0)
    assert declines(by_day, 7_200.0)


def test_each_step_is_told_once_with_the_money_that_leads_to_it() -> None:
    """At the cap no call begins any more; at a fifth above it the live ones end. An hour later all is new."""
    subject = Spending(per_hour_max_microdollars=10 * DOLLAR, per_day_max_microdollars=1_000 * DOLLAR)
    told = [subject.add(float(second), DOLLAR) for second in range(14)]
    assert told == [None] * 9 + [SpendLevel.CAP_REACHED, None, SpendLevel.CALLS_END, None, None]
    assert subject.level(13.0) is SpendLevel.CALLS_END
    assert subject.level(3_660.0) is SpendLevel.WITHIN_CAPS
    assert subject.add(3_660.0, 12 * DOLLAR) is SpendLevel.CALLS_END


def test_the_cap_of_a_day_ends_calls_as_well() -> None:
    subject = Spending(per_day_max_microdollars=10 * DOLLAR)
    assert subject.add(0.0, 11 * DOLLAR) is SpendLevel.CAP_REACHED
    assert subject.add(80_000.0, DOLLAR) is SpendLevel.CALLS_END


def test_memory_is_bounded() -> None:
    subject = Spending()
    for minute in range(5_000):
        subject.add(minute * 60.0, 1)
    assert "minutes=1441 " in repr(subject)
    assert subject.day_microdollars(4_999 * 60.0) == 1_441


def test_restored_spending_counts_in_the_clock_of_the_process() -> None:
    """Wall-clock times of a store become ages; in any order, without what is over a day old."""
    subject = Spending(per_hour_max_microdollars=3)
    wall = 1_700_000_000.0
    subject.restore(
        [(wall - 60, 1), (wall - 86_000, 4), (wall - 1_200, 2), (wall + 9, 8), (wall - 100_000, 64)],
        wall_now=wall,
        now=30.0,
    )
    assert subject.day_microdollars(30.0) == 15
    assert "minutes=4 " in repr(subject)
    assert subject.hour_microdollars(30.0) == 11
    assert declines(subject, 30.0)
    assert not declines(subject, 30.0 + 3_661)


def test_what_another_process_spends_counts_when_it_was_spent() -> None:
    """It may bring a cap to be reached; told late, it counts in the day and not in this hour."""
    subject = Spending(per_hour_max_microdollars=10 * DOLLAR, per_day_max_microdollars=30 * DOLLAR)
    assert subject.add(10_000.0, 9 * DOLLAR) is None
    assert subject.add(10_001.0, 20 * DOLLAR, 4_000.0) is None
    assert subject.add(10_001.0, DOLLAR, 0.5) is SpendLevel.CAP_REACHED
    assert subject.add(10_002.0, DOLLAR, -7.0) is None, "a clock that is ahead makes no future"
    assert (subject.hour_microdollars(10_002.0), subject.day_microdollars(10_002.0)) == (
        11 * DOLLAR,
        31 * DOLLAR,
    )
    subject.add(10_002.0, DOLLAR, 90_000.0)
    assert subject.day_microdollars(10_002.0) == 31 * DOLLAR


def test_what_the_state_has_is_all() -> None:
    """Its own spending, too: read once more when the state is back, nothing counts twice."""
    subject = Spending()
    subject.add(100.0, 5)
    subject.restore([(1_000.0, 5), (999.0, 7)], wall_now=1_000.0, now=100.0)
    assert subject.hour_microdollars(100.0) == 12


def test_nobody_pays_us() -> None:
    """A sum below nothing would take a cap away."""
    with pytest.raises(AssertionError):
        Spending().add(0.0, -1)


@given(st.lists(st.tuples(st.floats(0, 20_000), st.integers(0, 10 * DOLLAR)), max_size=60))
def test_windows_are_never_too_short_and_hardly_too_long(spent: list[tuple[float, int]]) -> None:
    """At every moment: all of the last hour, nothing older than 61 minutes; the same for the day."""
    subject = Spending()
    now, history = 0.0, []
    for after_s, amount in spent:
        now += after_s
        subject.add(now, amount)
        history.append((now, amount))
        for window_s, counted in (
            (3_600, subject.hour_microdollars(now)),
            (86_400, subject.day_microdollars(now)),
        ):
            least = sum(amount for at, amount in history if now - at <= window_s)
            most = sum(amount for at, amount in history if now - at <= window_s + 60)
            assert least <= counted <= most
