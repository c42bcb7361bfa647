"""What the caller gets once a stream has ended, remembered from its end until Twilio asks.

Twilio asks `stream-ended` a moment after the media socket is gone, in a request that shares nothing
with that socket but the CallSid. Whoever ends a stream therefore notes here first what follows.

In memory and pure: time is passed in. A call that nothing is known of is one that we lost (a crash,
a deploy, another machine), and its caller is owed an apology.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

KEPT_S = 600.0
"""Twilio asks within seconds and gives up within a minute; ten minutes cover a slow repeat."""

ENDED_CALLS_MAX = 10_000
"""More calls than one process could end in ten minutes; at the bound the oldest are forgotten."""


class Continuation(enum.StrEnum):
    """What Twilio is told to do with the call after its stream."""

    HANG_UP = "hang_up"
    """All was said, or the caller is gone."""

    APOLOGIZE = "apologize"
    """The stream ended on a fault: say so, then hang up."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """How the stream of one call ended."""

    continuation: Continuation
    reason: str
    """As in the record of the call."""

    ended_at: float
    """On the clock of whoever noted it, in seconds."""


class EndedCalls:
    """The calls whose stream ended a short while ago, by CallSid."""

    def __init__(self, *, kept_s: float = KEPT_S, calls_max: int = ENDED_CALLS_MAX) -> None:
        self._kept_s = kept_s
        self._calls_max = calls_max
        # In order of their end: the first is the first to be forgotten.
        self._ended: dict[str, EndedCall] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def __repr__(self) -> str:
        return f"<EndedCalls remembered={len(self)} max={self._calls_max}>"

    def remember(self, call_sid: str, continuation: Continuation, reason: str, now: float) -> None:
        """Notes how this call's stream ended; must be done before its socket is closed."""
        self._ended.pop(call_sid, None)
        self._ended[call_sid] = EndedCall(continuation, reason, now)
        self._forget(now)

    def find(self, call_sid: str, now: float) -> EndedCall | None:
        """How the stream ended; nothing when that is unknown or too long ago.

        May be asked again: Twilio repeats a request whose answer it did not get.
        """
        self._forget(now)
        return self._ended.get(call_sid)

    def _forget(self, now: float) -> None:
        while self._ended:
            oldest, ended = next(iter(self._ended.items()))
            if len(self._ended) <= self._calls_max and now - ended.ended_at < self._kept_s:
                return
            del self._ended[oldest]
