"""The first of a kind is a line, the rest are a count a minute, and none is lost."""

from __future__ import annotations

from callbridge.observe.first_of_kind import COUNT_EVERY_S, FirstOfKind


def test_the_first_of_each_kind_is_a_line_at_once() -> None:
    seen = FirstOfKind()
    assert [seen.take("wrong path", 5.0), seen.take("no upgrade", 5.0)] == [1, 1]


def test_the_rest_are_counted_and_told_once_a_minute() -> None:
    seen = FirstOfKind()
    lines = [seen.take("wrong path", float(second)) for second in range(125)]
    assert [(second, count) for second, count in enumerate(lines) if count] == [(0, 1), (60, 60), (120, 60)]


def test_after_a_quiet_minute_the_next_one_is_a_line_at_once() -> None:
    seen = FirstOfKind()
    assert [seen.take("wrong path", at) for at in (0.0, 900.0, 900.1)] == [1, 1, None]


def test_what_a_flood_left_untold_is_told_when_its_minute_is_over_and_once() -> None:
    seen = FirstOfKind()
    for _ in range(8):
        seen.take("wrong path", 1.0)
    seen.take("no upgrade", 1.0)
    assert list(seen.rest(COUNT_EVERY_S)) == []
    assert list(seen.rest(COUNT_EVERY_S + 1)) == [("wrong path", 7)]
    assert list(seen.rest(COUNT_EVERY_S * 3)) == []
