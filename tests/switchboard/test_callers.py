"""Callers: who counts as one, and which bounds hold for whom."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.state.places import CallerBounds
from callbridge.switchboard.callers import ANONYMOUS, CallsPerCaller, key_of, remembered_key

SECRET = b"made up"


NO_NUMBERS = (
    *("", " ", "anonymous", "Anonymous", "RESTRICTED", "unavailable", "unknown", "+266696687", "266696687"),
    *("+7378742833", "+86282452253", "+8656696", "+2562533", "+7748283", "+94844353"),
    *("+17378742833", "+1266696687", "+186282452253", "+18656696", "12562533", "client:unknown"),
    *("sip:anonymous@anonymous.invalid", "sip:+266696687@carrier.example", "sip:+17378742833@x.example"),
    *("sip:blocked@x.example", "sip:Restricted@x.example:5060", "sip:unavailable;tag=1@x.example"),
    *("sips:unknown:secret@x.example", "sip:a@b@x.example", "sip:a@x.example;to=b@y.example"),
    *("Alice", "+", "+1 415 555", "12", "١٢٣٤٥", "sip:", "sip:alice@", "tel", "\udcff"),
)


@pytest.mark.parametrize("caller", NO_NUMBERS)
def test_what_is_no_number_is_anonymous(caller: str) -> None:
    """No number, a withheld one in each of Twilio's spellings, and what cannot be told."""
    assert key_of(caller, SECRET) == ANONYMOUS


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("+14155550123", "14155550123"),
        ("+14155550123", " 14155550123 "),  # A plus that was not escaped in a form.
        ("sip:Alice@example.com", "sip:alice@example.com"),
        ("sip:alice@example.com", "sip:alice@example.com:5061;transport=tls"),
        ("sip:alice@[::1]", "sip:alice@[::1]:5061"),
        # Whoever calls by SIP chooses their user name: it makes no new caller.
        ("sip:alice@example.com", "sips:+14155550123;phone-context=1@Example.com.;x=1?y=2"),
        ("sip:alice@example.com", "sip:example.com"),
        ("whatsapp:+14155550123", "whatsapp:+14155550123"),
        ("client:alice", "client:alice"),
        ("12345", "12345"),
    ],
)
def test_one_caller_has_one_key(one: str, same: str) -> None:
    assert key_of(one, SECRET) == key_of(same, SECRET) != ANONYMOUS


def test_callers_have_different_keys() -> None:
    callers = [
        "+14155550123",
        "+14155550124",
        "sip:a@x.example",
        "sip:a@y.example",
        "client:a",
        "client:b",
        "whatsapp:+1",
    ]
    keys = {key_of(caller, secret) for caller in callers for secret in (SECRET, b"other")}
    assert len(keys) == 2 * len(callers)
    assert not any("4155550123" in key for key in keys), "a key shows the number"


@given(st.text())
@example("+14155550123")
def test_any_text_has_a_key(caller: str) -> None:
    key = key_of(caller, SECRET)
    assert key == ANONYMOUS or re.fullmatch("[0-9a-f]{64}", key)


def test_people_of_one_sip_host_are_remembered_apart() -> None:
    """They are counted as one caller. All others are remembered under the key that counts them."""
    anna, ben = "sip:anna@pbx.example.com", "sip:ben@pbx.example.com:5060"
    assert key_of(anna, SECRET) == key_of(ben, SECRET)
    assert remembered_key(anna, SECRET) != remembered_key(ben, SECRET)
    assert remembered_key("SIP:Anna@PBX.example.com;transport=udp", SECRET) == remembered_key(anna, SECRET)
    for caller in ("+14155550100", "client:anna"):
        assert remembered_key(caller, SECRET) == key_of(caller, SECRET)
    assert remembered_key("anonymous", SECRET) == ""


def test_which_bounds_hold_for_whom() -> None:
    """Callers without a number share theirs, and have none in ten minutes: they cannot be told apart. A
    switchboard has calls at once of its own, and nothing else.
    """
    subject = CallsPerCaller(at_once_of={"switchboard": 30, "everybody": 0})
    assert subject.of("a key") == CallerBounds(at_once=2, per_10_minutes=5, per_day=20)
    assert subject.of(ANONYMOUS) == CallerBounds(at_once=10, per_day=100)
    assert subject.of("switchboard") == CallerBounds(at_once=30)
    assert subject.of("everybody") == CallerBounds()
