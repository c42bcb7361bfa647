"""Who may be put through to the human, what they are shown, and when that would lead back here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.switchboard.putting_through import (
    RINGS_AT_ONCE_MAX,
    Ends,
    NotPutThrough,
    PutThrough,
    Rings,
    is_same_number,
    put_through,
)

HUMAN = "+14155550123"
CALLER, CALLED, OWN = "+14155550100", "+14155550199", "+14155550188"


@pytest.mark.parametrize(
    ("caller", "is_anonymous", "shown"),
    [
        (CALLER, False, ""),
        ("+491701234567", False, ""),
        ("+266696687", True, CALLED),
        ("anonymous", True, CALLED),
        ("", True, CALLED),
        ("client:alice", False, CALLED),
        ("sip:bob@example.com", False, CALLED),
        ("sip:+14155550100@sbc.example.com", False, CALLED),
        ("+1415", False, CALLED),
        ("+0155501001234", False, CALLED),
        ("14155550100", False, CALLED),
        ("+14155550100123456", False, CALLED),
        ("+1415555\u0660100", False, CALLED),
    ],
)
def test_who_has_no_number_to_be_rung_back_is_shown_as_the_called_one(
    caller: str, is_anonymous: bool, shown: str
) -> None:
    ends = Ends(caller, CALLED, is_anonymous=is_anonymous)
    assert put_through(ends, HUMAN, "") == PutThrough(shown)


@pytest.mark.parametrize(
    "called", ["sip:agent@demo.sip.twilio.com", "client:app", "whatsapp:+14155550199", ""]
)
def test_a_call_without_any_number_needs_one_of_the_account(called: str) -> None:
    """By SIP or from an app. A dial without one would only fail."""
    ends = Ends("sip:bob@example.com", called)
    assert put_through(ends, HUMAN, OWN) == PutThrough(OWN)
    assert put_through(ends, HUMAN, "") is NotPutThrough.NO_CALLER_ID
    assert put_through(Ends(CALLER, called), HUMAN, "") == PutThrough("")


@pytest.mark.parametrize(
    "ends",
    [
        Ends(CALLER, CALLED, (HUMAN,)),
        Ends(CALLER, CALLED, ("", "4155550123")),
        Ends("anonymous", CALLED, (HUMAN,), is_anonymous=True),
        Ends(CALLER, HUMAN),
        Ends(HUMAN, CALLED),
        Ends(f"sip:{HUMAN}@pbx.example", CALLED),
        Ends(CALLED, CALLED),  # We show the called number for who has none.
        Ends(OWN, CALLED),
    ],
)
def test_nobody_is_rung_whose_telephone_brings_the_call_back(ends: Ends) -> None:
    assert put_through(ends, HUMAN, OWN) is NotPutThrough.LEADS_BACK
    assert put_through(ends, "", OWN) is NotPutThrough.NOBODY


@pytest.mark.parametrize(
    "other",
    [
        "+14155550123",
        "14155550123",
        "0014155550123",
        "4155550123",
        "04155550123",
        "(415) 555-0123",
        "+1 415.555.0123",
        "tel:+14155550123",
        "sip:+14155550123@sbc.example.com;user=phone",
        "SIPS:4155550123@example.com",
    ],
)
def test_one_number_in_many_spellings(other: str) -> None:
    assert is_same_number(HUMAN, other)
    assert is_same_number(other, HUMAN)


@pytest.mark.parametrize(
    "other",
    ["", "+", "123", "550123", "+4155550123", "+14155550124", "alice", "sip:alice@14155550123", "anonymous"],
)
def test_other_numbers(other: str) -> None:
    """What has a plus is whole; few digits, and names, tell nothing."""
    assert not is_same_number(HUMAN, other)
    assert not is_same_number(other, HUMAN)


@given(st.text(), st.text())
def test_any_text_is_compared(one: str, other: str) -> None:
    assert is_same_number(one, other) == is_same_number(other, one)


# --- What rings at the same time ------------------------------------------------------------------------


def test_one_caller_rings_the_human_so_often_at_once() -> None:
    rings = Rings(30.0)
    for number in range(RINGS_AT_ONCE_MAX):
        assert not rings.is_busy(f"CA{number}", "ann", 100.0)
        rings.began(f"CA{number}", "ann", 100.0)
        rings.began(f"CA{number}", "ann", 101.0)  # Twilio asked again: one ring all the same.
    assert rings.is_busy("CA9", "ann", 101.0)
    assert not rings.is_busy("CA0", "ann", 101.0), "its own ring is none against it"
    assert not rings.is_busy("CA9", "bob", 101.0)
    rings.ended("CA0")
    rings.ended("CA0")
    assert not rings.is_busy("CA9", "ann", 101.0)


def test_a_ring_of_which_no_end_is_told_is_over_in_time() -> None:
    rings = Rings(30.0)
    for number in range(RINGS_AT_ONCE_MAX):
        rings.began(f"CA{number}", "ann", 100.0 + number)
    assert rings.is_busy("CA9", "ann", 129.9)
    assert not rings.is_busy("CA9", "ann", 130.0)
    rings.is_busy("CA9", "ann", 1000.0)
    assert repr(rings) == "<Rings 0 of 0 callers>"
