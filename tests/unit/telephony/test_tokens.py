"""Stream tokens: once, for one call of one account, within 30 s."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.telephony.tokens import PendingCall, Refusal, StreamTokens

CALL = "CA" + "1" * 32
ACCOUNT = "AC" + "2" * 32


def tokens(outstanding_max: int = 100) -> StreamTokens:
    numbers = itertools.count()
    return StreamTokens(lambda: f"token-{next(numbers)}", outstanding_max=outstanding_max)


def issued(subject: StreamTokens, now: float = 0.0, call_sid: str = CALL) -> str:
    token = subject.issue(call_sid, ACCOUNT, "+14155550100", "+14155550199", now)
    assert token is not None
    return token


def test_token_brings_back_its_call() -> None:
    """The rightful socket gets what the webhook knew."""
    subject = tokens()
    assert subject.redeem(issued(subject), CALL, ACCOUNT, 1.0) == PendingCall(
        CALL, ACCOUNT, "+14155550100", "+14155550199", 30.0
    )
    assert len(subject) == 0


def test_token_is_good_once() -> None:
    """The second socket with the same token is turned away."""
    subject = tokens()
    token = issued(subject)
    assert isinstance(subject.redeem(token, CALL, ACCOUNT, 1.0), PendingCall)
    assert subject.redeem(token, CALL, ACCOUNT, 1.0) is Refusal.UNKNOWN_OR_USED


@pytest.mark.parametrize(
    ("call_sid", "account_sid", "now", "refusal"),
    [
        ("CA" + "3" * 32, ACCOUNT, 1.0, Refusal.OTHER_CALL),
        (CALL, "AC" + "3" * 32, 1.0, Refusal.OTHER_ACCOUNT),
        (CALL, ACCOUNT, 30.0, Refusal.EXPIRED),
        (CALL, ACCOUNT, 31.0, Refusal.EXPIRED),
        ("", ACCOUNT, 1.0, Refusal.OTHER_CALL),
        ("\ud800", ACCOUNT, 1.0, Refusal.OTHER_CALL),
    ],
)
def test_token_is_bound_to_call_account_and_time(
    call_sid: str, account_sid: str, now: float, refusal: Refusal
) -> None:
    """Another call, another account or a late socket is refused, and the token is spent."""
    subject = tokens()
    token = issued(subject)
    assert subject.redeem(token, call_sid, account_sid, now) is refusal
    assert subject.redeem(token, CALL, ACCOUNT, 1.0) is Refusal.UNKNOWN_OR_USED


@pytest.mark.parametrize("token", [None, ""])
def test_missing_token_is_named(token: str | None) -> None:
    """A start without a token is told apart from one with a wrong token."""
    assert tokens().redeem(token, CALL, ACCOUNT, 0.0) is Refusal.MISSING


@given(token=st.text(min_size=1))
def test_unknown_token_is_refused(token: str) -> None:
    """No guess passes, whatever characters it has."""
    subject = StreamTokens(lambda: "the only token that there is")
    issued(subject)
    assert subject.redeem(token, CALL, ACCOUNT, 0.0) is Refusal.UNKNOWN_OR_USED


def test_last_moment_counts() -> None:
    """Just before 30 s the token is still good."""
    subject = tokens()
    assert isinstance(subject.redeem(issued(subject), CALL, ACCOUNT, 29.999), PendingCall)


def test_repeated_webhook_gets_a_second_token() -> None:
    """Twilio may use the answer to either of two deliveries."""
    subject = tokens()
    first, second = issued(subject), issued(subject)
    assert first != second
    assert isinstance(subject.redeem(second, CALL, ACCOUNT, 1.0), PendingCall)
    assert isinstance(subject.redeem(first, CALL, ACCOUNT, 1.0), PendingCall)


def test_number_of_outstanding_tokens_is_bounded() -> None:
    """At the bound no token is issued, and those outstanding stay good."""
    subject = tokens(outstanding_max=2)
    first = issued(subject)
    issued(subject)
    assert subject.issue(CALL, ACCOUNT, "", "", 1.0) is None
    assert isinstance(subject.redeem(first, CALL, ACCOUNT, 1.0), PendingCall)
    assert subject.issue(CALL, ACCOUNT, "", "", 1.0) is not None


def test_expired_tokens_make_room() -> None:
    """A socket that never came does not block calls for good."""
    subject = tokens(outstanding_max=1)
    issued(subject, now=0.0)
    assert subject.issue(CALL, ACCOUNT, "", "", 29.0) is None
    assert subject.issue(CALL, ACCOUNT, "", "", 30.0) is not None


def test_expired_tokens_are_forgotten() -> None:
    """Nothing of a call that never came is kept for long."""
    subject = tokens()
    late = issued(subject, now=0.0)
    issued(subject, now=80.0)
    assert len(subject) == 2, "kept for a minute, to be told apart from an unknown one"
    issued(subject, now=100.0)
    assert len(subject) == 2
    assert subject.redeem(late, CALL, ACCOUNT, 100.0) is Refusal.UNKNOWN_OR_USED


def test_repr_has_counts_and_no_token() -> None:
    """The repr is for logs."""
    subject = tokens()
    token = issued(subject)
    assert repr(subject) == "<StreamTokens outstanding=1 max=100>"
    assert token not in repr(subject)
