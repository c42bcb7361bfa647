"""What an answer means, and when something is tried again: soon at first, then seldom, then no more. Pure.

"Delivery success and failure" of
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS_S: Final = (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600, 24 * 3600)
"""After each failed attempt. When all are used up, a delivery is dead: nine attempts in 55 hours."""

JITTER: Final = 0.2
"""A delay is up to so much longer or shorter: what failed together does not come again together."""

ASKED_MIN_S: Final = 1.0
ASKED_MAX_S: Final = 24 * 3600.0
"""What a receiver may ask for in `Retry-After`."""

GONE: Final = 410
"""The receiver wants nothing more."""

GONE_REST_S: Final = 5.0
"""Until then it is written down that it is gone."""

UNREACHED_REST_S: Final = 5.0
"""Whoever could not be reached is not asked for each of a thousand deliveries whether that is so."""

_CALLS_FOR_REST: Final = frozenset({429, 502, 503, 504})
"""The receiver has too much to do: other deliveries to it wait, too."""

REST_S_MAX: Final = 600.0
"""So long at the most; what a single delivery was told to wait is longer, perhaps."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def next_delay_s(failed: int, roll: float, asked_s: float | None = None) -> float | None:
    """How long to wait, in seconds; nothing when it is not tried again.

    Args:
        failed: how many attempts have failed, 1 at least.
        roll: from 0 to 1, by chance.
        asked_s: what the receiver asked for.
    """
    if failed > len(DELAYS_S):
        return None
    if asked_s is not None:
        return min(max(asked_s, ASKED_MIN_S), ASKED_MAX_S)
    return DELAYS_S[failed - 1] * (1 + JITTER * (2 * roll - 1))


def asked_delay_s(retry_after: str, now: float) -> float | None:
    """What `Retry-After` asks for, in seconds from `now`; nothing where it cannot be read.

    Both forms of RFC 9110, section 10.2.3: seconds, or a date.
    """
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return max(0.0, at.timestamp() - now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt."""

    is_done: bool = False
    again_s: float | None = None
    """After how many seconds it is tried again; nothing for never."""
    is_gone: bool = False
    """The receiver wants nothing more, of whatever kind."""
    rest_s: float = 0.0
    """So long nothing is sent to the receiver."""


def verdict(code: int | None, failed: int, roll: float, asked_s: float | None = None) -> Verdict:
    """What follows from an attempt.

    Args:
        code: of HTTP; nothing where no answer came.
        failed: how many attempts failed before.
        roll: from 0 to 1, by chance.
        asked_s: what the receiver asked for in `Retry-After`.
    """
    if code is not None and 200 <= code < 300:
        return Verdict(is_done=True)
    if code == GONE:
        return Verdict(is_gone=True, rest_s=GONE_REST_S)
    again_s = next_delay_s(failed + 1, roll, asked_s)
    if code is None:
        return Verdict(again_s=again_s, rest_s=UNREACHED_REST_S)
    rests = code in _CALLS_FOR_REST and again_s is not None
    return Verdict(again_s=again_s, rest_s=min(again_s or 0.0, REST_S_MAX) if rests else 0.0)
