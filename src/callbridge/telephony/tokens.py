"""Stream tokens: proof that a media socket belongs to a webhook that Twilio signed.

The signature of a WebSocket upgrade is the same for every call, so whoever saw one could replay it.
A token is single use, short-lived and bound to one call of one account. It travels as a
`<Parameter>`, never in a URL, which would end in logs.

Pure: no I/O, no clock, no randomness; time and the source of tokens are passed in.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_S = 30.0
"""Twilio opens the socket within a second of our answer; 30 s covers its slowest connect."""

EXPIRED_KEPT_S = 60.0
"""An expired token is remembered this much longer, so that a late one is called what it is."""

OUTSTANDING_MAX = 2_000
"""Twice the calls that one process could ever carry; at the bound new calls are declined."""


class Refusal(enum.StrEnum):
    """Why a token was not honoured."""

    MISSING = "missing"
    UNKNOWN_OR_USED = "unknown_or_used"
    EXPIRED = "expired"
    OTHER_CALL = "other_call"
    OTHER_ACCOUNT = "other_account"


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that was answered with a token and has not brought its stream yet."""

    call_sid: str
    account_sid: str
    caller: str
    called: str
    expires_at: float
    """On the clock that `issue` was given, in seconds."""


class StreamTokens:
    """The outstanding tokens of this process."""

    def __init__(
        self,
        token_source: Callable[[], str],
        *,
        lifetime_s: float = LIFETIME_S,
        outstanding_max: int = OUTSTANDING_MAX,
    ) -> None:
        self._token_source = token_source
        self._lifetime_s = lifetime_s
        self._outstanding_max = outstanding_max
        # Keyed by digest: how long a look-up takes says nothing about a token that would pass.
        # In order of issue, which with one lifetime for all is the order of expiry.
        self._pending: dict[bytes, PendingCall] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __repr__(self) -> str:
        return f"<StreamTokens outstanding={len(self)} max={self._outstanding_max}>"

    def issue(self, call_sid: str, account_sid: str, caller: str, called: str, now: float) -> str | None:
        """A new token for this call, or nothing when too many are outstanding.

        A webhook that Twilio repeats gets a second token; whichever answer it uses will serve.
        """
        self._forget_expired_before(now - EXPIRED_KEPT_S)
        if len(self._pending) >= self._outstanding_max:
            self._forget_expired_before(now)
        if len(self._pending) >= self._outstanding_max:
            return None
        token = self._token_source()
        expires_at = now + self._lifetime_s
        self._pending[_digest(token)] = PendingCall(call_sid, account_sid, caller, called, expires_at)
        return token

    def redeem(self, token: str | None, call_sid: str, account_sid: str, now: float) -> PendingCall | Refusal:
        """The call that `token` was issued for, once; every token shown is spent, even in vain."""
        if not token:
            return Refusal.MISSING
        pending = self._pending.pop(_digest(token), None)
        if pending is None:
            return Refusal.UNKNOWN_OR_USED
        if now >= pending.expires_at:
            return Refusal.EXPIRED
        if not _is_same(pending.account_sid, account_sid):
            return Refusal.OTHER_ACCOUNT
        if not _is_same(pending.call_sid, call_sid):
            return Refusal.OTHER_CALL
        return pending

    def _forget_expired_before(self, moment: float) -> None:
        expired = []
        for digest, pending in self._pending.items():
            if pending.expires_at > moment:
                break
            expired.append(digest)
        for digest in expired:
            del self._pending[digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is_same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))
