"""Signed stream tokens: for one call of one account, within 30 s, on every process with the same secret."""

from __future__ import annotations

import base64
import itertools
import secrets
import string
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callbridge.telephony import connect
from callbridge.telephony.signed_tokens import (
    AGENT_BYTES_MAX,
    CLOCK_SKEW_S,
    LIFETIME_S,
    Redeemed,
    Refusal,
    StreamClaim,
    StreamTokens,
)

SECRET = "0123456789abcdef0123456789abcdef"
CLAIM = StreamClaim("CA" + "1" * 32, "AC" + "2" * 32, "+14155550100", "+14155550199")
NOW = 1_800_000_000
ALPHABET = string.ascii_letters + string.digits + "-_"


def tokens(secret: str = SECRET) -> StreamTokens:
    numbers = itertools.count(1)
    return StreamTokens(secret, lambda size: next(numbers).to_bytes(size, "big"))


TOKEN = tokens().issue(CLAIM, NOW)
NAMED = tokens().issue(replace(CLAIM, agent="desk"), NOW)


def check(token: str | None, claim: StreamClaim = CLAIM, now: float = NOW + 1) -> Redeemed | Refusal:
    return tokens().check(token, claim.call_sid, claim.account_sid, claim.caller, claim.called, now)


def redeemed(token: str, claim: StreamClaim = CLAIM) -> Redeemed:
    found = check(token, claim)
    assert isinstance(found, Redeemed), found
    return found


# --- Genuine ------------------------------------------------------------------------------------------


NAMES = st.text(st.characters(codec="utf-8"), max_size=AGENT_BYTES_MAX // 4)


@given(st.text(), st.text(), st.text(), st.text(), st.booleans(), NAMES, st.floats(0, 2**32 - 31))
def test_any_claim_is_honoured(
    call_sid: str, account_sid: str, caller: str, called: str, continues: bool, agent: str, now: float
) -> None:
    """Nothing but the secret is shared: the process that answered the call may be gone."""
    claim = StreamClaim(call_sid, account_sid, caller, called, continues, agent)
    found = check(tokens().issue(claim, now), claim, now)
    assert isinstance(found, Redeemed)
    assert (found.continues, found.agent) == (continues, agent)
    assert found.expires_at == int(now) + LIFETIME_S


@given(st.text() | st.text(" \x00ab", min_size=480, max_size=520), st.text())
def test_it_is_honoured_with_what_a_parameter_carries(caller: str, called: str) -> None:
    """A caller id that loses characters on its way through the TwiML does not lose its call."""
    token = tokens().issue(replace(CLAIM, caller=caller, called=called), NOW)
    carried = replace(
        CLAIM,
        caller=connect.parameter_value("caller", caller),
        called=connect.parameter_value("called", called),
    )
    assert isinstance(check(token, carried), Redeemed)


@given(st.binary(min_size=16, max_size=16), st.integers(0, AGENT_BYTES_MAX))
def test_it_fits_a_parameter_and_a_url(nonce: bytes, name_bytes: int) -> None:
    token = StreamTokens(SECRET, lambda _: nonce).issue(replace(CLAIM, agent="a" * name_bytes), NOW)
    assert 72 <= len(token) <= 136
    assert set(token) <= set(ALPHABET)
    assert connect.parameter_value("token", token) == token


# --- Once ---------------------------------------------------------------------------------------------


def test_each_token_has_a_digest_of_its_own() -> None:
    """By it a replay is known. Twilio may repeat the webhook within a second, and use either answer."""
    subject = tokens()
    first, second = subject.issue(CLAIM, NOW), subject.issue(CLAIM, NOW)
    assert redeemed(first).digest == redeemed(first).digest != redeemed(second).digest


def test_with_its_nonce_and_its_time_a_token_is_made_again() -> None:
    """By any process of the account."""
    subject = StreamTokens(SECRET, secrets.token_bytes)
    nonce = subject.nonce()
    first = subject.issue(CLAIM, NOW, nonce)
    assert StreamTokens(SECRET, secrets.token_bytes).issue(CLAIM, NOW + 0.5, nonce) == first
    assert subject.issue(CLAIM, NOW + 1, nonce) != first
    assert subject.issue(CLAIM, NOW) != first


def test_the_digest_says_nothing_of_the_token() -> None:
    digest, raw = redeemed(TOKEN).digest, base64.urlsafe_b64decode(TOKEN)
    assert len(digest) == 32
    assert not {digest[at : at + 4] for at in range(29)} & {raw[at : at + 4] for at in range(51)}


# --- Refused ------------------------------------------------------------------------------------------


NO_TOKENS = (
    *("x", TOKEN[:-1], TOKEN + "A", TOKEN + "=", TOKEN + "\n", " " + TOKEN, TOKEN * 2),
    *(TOKEN[:-1] + "\n", TOKEN[:-1] + "/"),
    TOKEN[:-1] + "Ａ",  # noqa: RUF001 - a letter that only looks like ours
    TOKEN[:-1] + "\ud800",
    "AQ" + TOKEN[2:],  # Version 1.
    "A" * 72,  # Version 0.
)


@pytest.mark.parametrize("token", [None, "", *NO_TOKENS])
def test_what_is_no_token_is_named(token: str | None) -> None:
    assert check(token) is (Refusal.MALFORMED if token else Refusal.MISSING)


@pytest.mark.parametrize("agent", ["", "a", "desk"])
def test_every_change_of_one_character_is_refused(agent: str) -> None:
    """Version, flags, expiry, nonce, name and proof: there is no character that nobody checks, and none that
    may be spelt in another way, as base64's spare bits could. All of the 4536 changes and more.
    """
    token = tokens().issue(replace(CLAIM, agent=agent), NOW)
    for place, character in itertools.product(range(len(token)), ALPHABET):
        changed = token[:place] + character + token[place + 1 :]
        if changed != token:
            assert check(changed) in {Refusal.MALFORMED, Refusal.FORGED}, changed


def test_the_name_of_the_agent_cannot_be_changed() -> None:
    """Nor may it borrow bytes of its neighbours, or the proof of one name stand for another."""
    raw = base64.urlsafe_b64decode(NAMED + "==")
    assert redeemed(NAMED).agent == "desk"
    for name in (b"", b"d", b"des", b"disk", b"desk2", raw[18:22] + b"desk"):
        other = base64.urlsafe_b64encode(raw[:22] + name + raw[26:]).decode().rstrip("=")
        assert check(other) in {Refusal.MALFORMED, Refusal.FORGED}


@given(st.integers(0, 80), st.integers(0, 80), st.text() | st.text(ALPHABET, max_size=80))
def test_every_other_change_and_every_guess_is_refused(begin: int, end: int, between: str) -> None:
    changed = NAMED[:begin] + between + NAMED[end:]
    assume(changed != NAMED)
    assert check(changed) in {Refusal.MISSING, Refusal.MALFORMED, Refusal.FORGED}


@pytest.mark.parametrize(
    "other",
    [
        replace(CLAIM, call_sid="CA" + "3" * 32),
        replace(CLAIM, account_sid="AC" + "3" * 32),
        replace(CLAIM, caller="+14155550101"),
        replace(CLAIM, called="+14155550101"),
        replace(CLAIM, caller=CLAIM.called, called=CLAIM.caller),
        replace(CLAIM, call_sid=CLAIM.account_sid, account_sid=CLAIM.call_sid),
        replace(CLAIM, caller=CLAIM.caller + CLAIM.called, called=""),
        replace(CLAIM, caller=CLAIM.caller[:-1], called=CLAIM.caller[-1] + CLAIM.called),
        replace(CLAIM, call_sid=""),
        replace(CLAIM, call_sid="\ud800"),
        replace(CLAIM, caller="\ud800"),
    ],
)
def test_it_is_bound_to_its_call(other: StreamClaim) -> None:
    """Another call, account or number, also where only the border between two moves."""
    assert check(TOKEN, other) is Refusal.FORGED


def test_another_secret_makes_other_tokens() -> None:
    assert check(tokens("another secret").issue(CLAIM, NOW)) is Refusal.FORGED


def test_what_another_secret_of_ours_made_is_honoured() -> None:
    """A call that was offered just before a deploy brought another secret; new tokens are made with that."""
    rotated = StreamTokens("new" * 11, secrets.token_bytes, honoured=("other" * 7, SECRET))
    subject = (CLAIM.call_sid, CLAIM.account_sid, CLAIM.caller, CLAIM.called, NOW + 1)
    for old in (SECRET, "other" * 7):
        assert isinstance(rotated.check(tokens(old).issue(CLAIM, NOW), *subject), Redeemed)
    assert rotated.check(tokens("a stranger's").issue(CLAIM, NOW), *subject) is Refusal.FORGED
    assert isinstance(tokens("new" * 11).check(rotated.issue(CLAIM, NOW), *subject), Redeemed)
    assert tokens().check(rotated.issue(CLAIM, NOW), *subject) is Refusal.FORGED


@pytest.mark.parametrize(
    ("after_s", "refusal"),
    [
        (-CLOCK_SKEW_S - 0.001, Refusal.FROM_THE_FUTURE),
        (-CLOCK_SKEW_S, None),
        (0.0, None),
        (LIFETIME_S - 0.001, None),
        (LIFETIME_S, Refusal.EXPIRED),
        (86_400.0, Refusal.EXPIRED),
    ],
)
def test_it_lives_for_30_s(after_s: float, refusal: Refusal | None) -> None:
    """Within the skew of two clocks, it may come before it was made."""
    found = check(TOKEN, now=NOW + after_s)
    assert found is refusal if refusal else isinstance(found, Redeemed)


def test_a_fraction_of_a_second_does_not_lengthen_its_life() -> None:
    token = tokens().issue(CLAIM, NOW + 0.9)
    assert check(token, now=NOW + 0.9) == redeemed(token)
    assert check(token, now=NOW + 0.9 + LIFETIME_S) is Refusal.EXPIRED


def test_a_forged_token_is_called_forged_whenever_it_comes() -> None:
    """What a stranger made up is not worth a word about clocks."""
    assert check(TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"), now=NOW + 86_400) is Refusal.FORGED


def test_its_parts_are_where_the_format_says() -> None:
    """Another version of the service reads them there."""
    raw = base64.urlsafe_b64decode(NAMED + "==")
    assert raw[:6] == bytes([2, 0]) + (NOW + LIFETIME_S).to_bytes(4, "big")
    assert raw[6:22] == (1).to_bytes(16, "big")
    assert (raw[22:-32], len(raw)) == (b"desk", 58)


# --- Secrets ------------------------------------------------------------------------------------------


def test_repr_has_no_secret() -> None:
    assert repr(tokens()) == "<StreamTokens version=2 lifetime_s=30>"
    assert TOKEN not in repr(redeemed(TOKEN))


def test_a_secret_a_nonce_and_a_short_name_are_needed() -> None:
    with pytest.raises(AssertionError):
        tokens("")
    with pytest.raises(AssertionError):
        StreamTokens(SECRET, lambda _: b"short").issue(CLAIM, NOW)
    with pytest.raises(AssertionError):
        tokens().issue(replace(CLAIM, agent="a" * (AGENT_BYTES_MAX + 1)), NOW)
