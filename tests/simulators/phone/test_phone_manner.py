"""What the fragment of an address says of the way in which Twilio asks it."""

from __future__ import annotations

import pytest

from callbridge.simulators.phone.manner import Manner, read_overrides


@pytest.mark.parametrize(
    ("fragment", "manner"),
    [
        ("", Manner()),
        ("rc=5", Manner(retries=5)),
        ("rc=0&rt=3000&ct=100&tt=15000", Manner(0.1, 3.0, 15.0, 0)),
        ("rp=all", Manner(policy=frozenset({"4xx", "5xx", "ct", "rt"}))),
        ("rp=5xx,ct&e=dublin", Manner(policy=frozenset({"5xx", "ct"}))),
        *((odd, Manner()) for odd in ("rc=6", "rc=-1", "rc=", "rt=99", "rt=15001", "rp=now", "xx=1", "top")),
    ],
)
def test_overrides(fragment: str, manner: Manner) -> None:
    assert read_overrides(fragment) == manner


def test_what_is_tried_again() -> None:
    assert [Manner().retries_after(what) for what in ("ct", "rt", "", 502, 404)] == [
        *(True, False, False, False, False)
    ]
    everything = read_overrides("rp=all")
    assert [everything.retries_after(what) for what in ("ct", "rt", "", 502, 404, 200)] == [
        *(True, True, False, True, True, False)
    ]
