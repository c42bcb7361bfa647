"""Callers: who counts as one, what one may, and that memory is bounded."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.switchboard.callers import ANONYMOUS, CallerLimits, CallsPerCaller, key_of, remembered_key

SECRET = b"made up"
NONE = CallsPerCaller(at_once=0, per_10_minutes=0, per_day=0, anonymous_at_once=0, anonymous_per_day=0)


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


@pytest.mark.parametrize(
    ("bounds", "starts", "now", "refused"),
    [
        (CallsPerCaller(), [0, 1, 2, 3], 4, False),
        (CallsPerCaller(), [0, 1, 2, 3, 4], 599.9, True),
        (CallsPerCaller(), [0, 1, 2, 3, 4], 600, False),
        (CallsPerCaller(), range(0, 20_000, 1_000), 80_000, True),
        (CallsPerCaller(), range(0, 19_000, 1_000), 80_000, False),
        (CallsPerCaller(), range(0, 20_000, 1_000), 86_400, False),
        (CallsPerCaller(per_day=0), range(0, 20_000, 1_000), 80_000, False),
        (CallsPerCaller(per_10_minutes=0), range(19), 20, False),
        (CallsPerCaller(per_10_minutes=0), range(20), 20, True),
        (CallsPerCaller(per_10_minutes=30, per_day=2), [0, 1], 2, True),
    ],
)
def test_in_ten_minutes_and_in_a_day(
    bounds: CallsPerCaller, starts: list[int], now: float, refused: bool
) -> None:
    """Windows roll; a limit of 0 is none."""
    subject = CallerLimits(bounds)
    for start in starts:
        subject.began("a", float(start))
        subject.ended("a")
    assert subject.declines("a", now) is refused


def test_anonymous_callers_share_one_bucket() -> None:
    """They are bounded all together, at once and by day, and by nothing else."""
    subject = CallerLimits(CallsPerCaller(anonymous_at_once=3, anonymous_per_day=100))
    for _ in range(97):
        subject.began(ANONYMOUS, 0.0)
        subject.ended(ANONYMOUS)
    assert not subject.declines(ANONYMOUS, 0.0)
    for _ in range(3):
        subject.began(ANONYMOUS, 3600.0)
    for number in range(3):
        assert subject.declines(ANONYMOUS, 3600.0)
        assert subject.is_busy(ANONYMOUS) is (number == 0)
        subject.ended(ANONYMOUS)
    assert not subject.declines("a", 3600.0)
    assert len(subject) == 0
    assert subject.declines(ANONYMOUS, 86_399.0)
    assert not subject.declines(ANONYMOUS, 86_400.0)


def test_a_switchboard_has_calls_at_once_of_its_own() -> None:
    """And no limit in time. All others have the usual ones."""
    subject = CallerLimits(CallsPerCaller(), {"switchboard": 3, "everybody": 0})
    for _ in range(100):
        for caller in ("switchboard", "everybody"):
            subject.began(caller, 0.0)
            subject.ended(caller)
    for number in range(4):
        assert subject.declines("switchboard", 0.0) is (number == 3)
        assert not subject.declines("everybody", 0.0)
        for caller in ("switchboard", "everybody"):
            subject.began(caller, 0.0)
    assert len(subject) == 0


def test_zero_is_no_limit() -> None:
    subject = CallerLimits(NONE)
    for caller in ("a", ANONYMOUS):
        for _ in range(1_000):
            subject.began(caller, 0.0)
        assert not subject.declines(caller, 0.0)
    assert len(subject) == 0


def test_call_that_comes_back_is_no_new_call() -> None:
    subject = CallerLimits(CallsPerCaller(at_once=2, per_10_minutes=1))
    subject.came_back("a")
    assert subject.live("a") == 1
    assert not subject.declines("a", 0.0)


def test_end_without_a_beginning_is_a_fault_of_ours() -> None:
    """A count that went below nothing would let callers in for ever."""
    with pytest.raises(AssertionError):
        CallerLimits(CallsPerCaller()).ended("a")


def test_oldest_caller_is_forgotten_first() -> None:
    """Memory is bounded; who called last is remembered longest, and a live call is never forgotten."""
    subject = CallerLimits(CallsPerCaller(at_once=1, per_10_minutes=1), callers_max=2)
    for caller, start in (("a", 0.0), ("b", 1.0), ("c", 2.0)):
        subject.began(caller, start)
    assert repr(subject) == "<CallerLimits remembered=2 live=3 of 3 callers>"
    assert subject.live("a") == 1
    for caller in "abc":
        subject.ended(caller)
    assert [subject.declines(caller, 3.0) for caller in "abc"] == [False, True, True]


def test_who_is_at_a_limit_is_not_washed_out_by_fresh_numbers() -> None:
    """Neither in this process nor in the next one, which reads them from the store."""
    bounds = CallsPerCaller(at_once=0, per_10_minutes=3)
    before, after = CallerLimits(bounds, callers_max=100), CallerLimits(bounds, callers_max=100)
    calls = [("a", 0.0)] * 3 + [(f"fresh {number}", 1.0 + number / 1000) for number in range(1_000)]
    for caller, start in calls:
        before.began(caller, start)
    after.restore(calls, wall_now=2.0, now=2.0)
    for subject in (before, after):
        assert subject.declines("a", 599.0)
        assert not subject.declines("a", 602.0)
        assert len(subject) == 100


def test_callers_at_a_limit_leave_half_of_the_places_to_others() -> None:
    """Otherwise nobody else would be remembered long enough to come to theirs. The oldest is forgotten."""
    subject = CallerLimits(CallsPerCaller(at_once=0, per_10_minutes=2), callers_max=10)
    for number in range(20):
        for _ in range(2):
            subject.began(f"at limit {number}", float(number))
    for number in range(5):
        subject.began(f"fresh {number}", 20.0)
    assert [subject.declines(f"at limit {number}", 21.0) for number in range(20)] == [False] * 15 + [True] * 5
    subject.began("fresh 0", 21.0)
    assert subject.declines("fresh 0", 21.0)


def test_caller_who_calls_again_is_remembered_longer() -> None:
    subject = CallerLimits(CallsPerCaller(at_once=0, per_10_minutes=1), callers_max=2)
    for caller, start in (("a", 0.0), ("b", 1.0), ("a", 700.0), ("c", 701.0)):
        subject.began(caller, start)
    assert subject.declines("a", 702.0)


def test_nothing_is_kept_of_a_caller_whose_calls_ended() -> None:
    subject = CallerLimits(CallsPerCaller(per_10_minutes=0, per_day=0))
    for number in range(100):
        subject.began(f"caller{number}", 0.0)
        subject.ended(f"caller{number}")
    assert repr(subject) == "<CallerLimits remembered=0 live=0 of 0 callers>"


def test_restored_calls_count_in_the_clock_of_the_process() -> None:
    """Wall-clock times of a store, unsorted, become ages; what is over a day old is left out."""
    subject = CallerLimits(CallsPerCaller(per_10_minutes=2, per_day=3))
    wall = 1_700_000_000.0
    calls = [("a", wall - 60), ("a", wall - 500), ("b", wall - 60), ("c", wall - 90_000), ("d", wall + 50)]
    subject.restore(calls, wall_now=wall, now=5.0)
    assert subject.declines("a", 5.0)
    assert not subject.declines("b", 5.0)
    assert subject.declines("a", 5.0 + 99)
    assert not subject.declines("a", 5.0 + 100)
    assert len(subject) == 3
    assert subject.live("a") == 0


def test_restored_calls_of_anonymous_callers_count_for_their_day() -> None:
    subject = CallerLimits(CallsPerCaller(anonymous_per_day=2))
    subject.restore([(ANONYMOUS, 86_400.0), (ANONYMOUS, 90_000.0)], wall_now=100_000.0, now=0.0)
    assert subject.declines(ANONYMOUS, 72_799.0)
    assert not subject.declines(ANONYMOUS, 72_800.0)


def test_restored_call_of_the_future_is_one_of_now() -> None:
    """A wall clock that was set back does not hold a caller for longer than the rule says."""
    subject = CallerLimits(CallsPerCaller(per_10_minutes=1))
    subject.restore([("a", 9_999.0)], wall_now=0.0, now=50.0)
    assert subject.declines("a", 649.9)
    assert not subject.declines("a", 650.0)


CALLS = st.lists(
    st.tuples(st.sampled_from(["a", "b", ANONYMOUS]), st.booleans(), st.floats(0, 4_000)), max_size=80
)
"""Who, whether a call ends rather than begins, and how long after what was before."""


@given(CALLS)
def test_no_caller_ever_gets_more_than_the_rules_allow(calls: list[tuple[str, bool, float]]) -> None:
    """Against plain lists of all starts: at once, in 10 minutes and in a day."""
    bounds = CallsPerCaller(at_once=2, per_10_minutes=3, per_day=6, anonymous_at_once=4, anonymous_per_day=9)
    subject = CallerLimits(bounds)
    live: Counter[str] = Counter()
    starts: dict[str, list[float]] = {"a": [], "b": [], ANONYMOUS: []}
    now = 0.0
    for caller, ends, after_s in calls:
        now += after_s
        if ends:
            if live[caller]:
                live[caller] -= 1
                subject.ended(caller)
        else:
            is_named = caller != ANONYMOUS
            in_10_minutes = sum(now - start < 600 for start in starts[caller])
            in_day = sum(now - start < 86_400 for start in starts[caller])
            is_too_much = live[caller] >= (2 if is_named else 4) or (
                (in_10_minutes >= 3 or in_day >= 6) if is_named else in_day >= 9
            )
            assert subject.declines(caller, now) is is_too_much
            if not is_too_much:
                subject.began(caller, now)
                live[caller] += 1
                starts[caller].append(now)
        assert subject.live(caller) == live[caller]
