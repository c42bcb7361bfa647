"""What the limit of open files allows: never more calls than it can carry, and always room for requests."""

from __future__ import annotations

import sys

import pytest

from callbridge.server.config.check_descriptors import check_descriptors
from callbridge.server.config.descriptors import (
    OWN,
    PER_CALL,
    REQUESTS_MAX,
    REQUESTS_MIN,
    Room,
    needed,
    per_call,
)
from callbridge.server.config.findings import Level
from desks import made_settings


@pytest.mark.parametrize("calls_max", [1, 250, 3000])
def test_no_descriptor_is_spent_twice(calls_max: int) -> None:
    for descriptors in [*range(75, 1200, 7), 4096, 65_536, 1_048_576]:
        room = Room.of(descriptors, calls_max)
        phones_and_requests = room.connections_max
        assert 1 <= room.calls_max <= calls_max, descriptors
        assert room.backlog > 0, descriptors
        assert phones_and_requests - room.calls_max >= REQUESTS_MIN - REQUESTS_MIN // 4, descriptors
        assert OWN + room.backlog + phones_and_requests + (PER_CALL - 1) * room.calls_max <= descriptors


def test_as_many_calls_as_are_wanted_where_the_limit_allows_them() -> None:
    assert Room.of(needed(250), 250).calls_max == 250
    assert Room.of(needed(250) - 1, 250).calls_max == 249
    assert Room.of(96, 250).calls_max == 8
    assert Room.of(sys.maxsize, 250).connections_max == 250 + REQUESTS_MAX


@pytest.mark.parametrize(
    ("descriptors", "level", "words"),
    [
        (1024, Level.OK, "allows 250 calls"),
        (96, Level.WARNING, r"(96) allows 8 calls at once, not the 250"),
        (50, Level.ERROR, "allows no call at all"),
    ],
)
def test_a_limit_that_does_not_fit_is_told_with_a_remedy(descriptors: int, level: Level, words: str) -> None:
    (finding,) = check_descriptors(made_settings(), descriptors)
    assert finding.level is level
    assert words in finding.what
    assert ("Raise it to 822" in finding.remedy) == (level is not Level.OK)


def test_a_call_that_is_recorded_has_one_more() -> None:
    each = per_call(is_recorded=True)
    assert each == per_call(is_recorded=False) + 1
    assert Room.of(needed(250, each), 250, each).calls_max == 250
    assert Room.of(needed(250, each) - 1, 250, each).calls_max == 249
