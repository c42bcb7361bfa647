"""How long what calls said is kept: never shorter than a live call may be quiet."""

from __future__ import annotations

import pytest

from callbridge.server.config.retention import retention
from callbridge.state.state import QUIET_S
from desks import made_settings

HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("environment", "outline_s", "silence_s"),
    [
        ({}, 24 * HOUR_S, 90.0),
        (
            {"CALLBRIDGE_STATE_KEPT_HOURS": "2", "CALLBRIDGE_CALLER_SILENCE_SECONDS": "3600"},
            2 * HOUR_S,
            5400.0,
        ),
        (
            {"CALLBRIDGE_CALLER_SILENCE_SECONDS": "0", "CALLBRIDGE_CALL_MINUTES_MAX": "1440"},
            24 * HOUR_S,
            86_400.0,
        ),
    ],
)
def test_a_live_call_is_not_taken_for_one_that_is_over(
    environment: dict[str, str], outline_s: float, silence_s: float
) -> None:
    """`silence_s`: after which an ordinary call would have ended, or the longest call where none ends it."""
    kept = retention(made_settings(environment))
    assert kept.outline_s == outline_s
    assert kept.quiet_s >= silence_s + QUIET_S


def test_callers_are_remembered_for_as_long_as_is_said() -> None:
    assert retention(made_settings()).callers_s == 0
    assert retention(made_settings({"CALLBRIDGE_CALLER_MEMORY_DAYS": "2"})).callers_s == 48 * HOUR_S
