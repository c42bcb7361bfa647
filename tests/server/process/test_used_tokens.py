"""Tokens that this process has seen, for when nobody else can be asked."""

from __future__ import annotations

from callbridge.server.process.used_tokens import KEPT_MAX, UsedTokens
from callbridge.telephony.signed_tokens import LIFETIME_S

NOW = 1_800_000_000.0


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_token_is_good_once() -> None:
    """Also when it has expired for a while: a clock may be set back."""
    subject = UsedTokens()
    assert subject.claim(digest(1), NOW + 30, NOW)
    for later_s in (0, 29, 30 + LIFETIME_S - 1):
        assert not subject.claim(digest(1), NOW + 30, NOW + later_s)
        assert subject.claim(digest(2 + later_s), NOW + later_s + 30, NOW + later_s)


def test_what_is_kept_is_bounded() -> None:
    """By number, and by what has expired long ago."""
    subject = UsedTokens()
    for number in range(KEPT_MAX + 10):
        assert subject.claim(digest(number), NOW + 30, NOW)
    assert repr(subject) == f"<UsedTokens {KEPT_MAX}>"
    assert not subject.claim(digest(KEPT_MAX + 9), NOW + 30, NOW)
    assert subject.claim(digest(0), NOW + 1_000, NOW + 900)
    assert repr(subject) == "<UsedTokens 1>"
