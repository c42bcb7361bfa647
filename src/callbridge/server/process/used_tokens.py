"""Tokens that this process has seen used, for when the state that all share does not answer."""

from __future__ import annotations

from typing import Final

from callbridge.telephony.signed_tokens import LIFETIME_S

KEPT_MAX: Final = 10_000
"""Those of a thousand starts a second, each for as long as it lives. The oldest gives way."""


class UsedTokens:
    """By their digests. A token that another process has seen is not known here."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def __repr__(self) -> str:
        return f"<UsedTokens {len(self._until)}>"

    def claim(self, digest: bytes, expires_at: float, now: float) -> bool:
        """True for the first who asks in this process. Times are seconds since 1970."""
        is_first = digest not in self._until
        self._until[digest] = expires_at + LIFETIME_S  # No small step of the clock makes it good again.
        while len(self._until) > KEPT_MAX or self._until[next(iter(self._until))] < now:
            del self._until[next(iter(self._until))]
        return is_first
