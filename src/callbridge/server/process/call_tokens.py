"""What lets an inbound caller's number be shown to a person who is rung for them: Twilio's `CallToken`.

It comes with the first request of a call, holds the caller's number, and is of no use to anybody but Twilio;
so it stays in this process. Where another one rings, the person sees the line's number.
"""

from __future__ import annotations

from typing import Final

KEPT_MAX: Final = 1_000
"""Each is some KiB. The oldest gives way: its call has lasted longer than a thousand others."""

CHARACTERS_MAX: Final = 16_384


class CallTokens:
    """Those of the calls that this process was asked about."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<CallTokens {len(self._tokens)}>"

    def keep(self, call_sid: str, token: str) -> None:
        """One came with the first request of a call, or none did."""
        if not token or len(token) > CHARACTERS_MAX:
            return
        self._tokens[call_sid] = token
        if len(self._tokens) > KEPT_MAX:
            del self._tokens[next(iter(self._tokens))]

    def get(self, call_sid: str) -> str:
        """That of a call; empty where there is none here."""
        return self._tokens.get(call_sid, "")

    def forget(self, call_sid: str) -> None:
        """The call is over."""
        self._tokens.pop(call_sid, None)
