"""How often one caller may call: at once, in ten minutes, in a day.

Callers are known by the keyed hash of their number, so that no number is kept. A caller ID can be forged:
this keeps an honest caller's stuck redial and a lazy attacker from taking every line; the caps on
calls and spending hold against the rest.

In memory and pure: the time is passed in, always of one clock that never goes back. What a store kept in
wall-clock time is brought to that clock by `restore`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ANONYMOUS: Final = "anonymous"
"""The key that all callers without a number share."""

TEN_MINUTES_S: Final = 600.0
DAY_S: Final = 86_400.0

CALLERS_MAX: Final = 10_000
"""Callers remembered. With a key of 64 letters and twenty starts one takes about 1.5 KB: 15 MB at most. Above
it the one who has not called for the longest time is forgotten."""

_NUMBER = re.compile(r"\+?([0-9]{3,15})")
_ADDRESS = re.compile(r"(sips?|client|whatsapp):([^@;?]+)(@(\[[^\]]*\]|[^:;?]+))?")

_NO_NUMBER = frozenset(
    {
        "anonymous",
        "restricted",
        "unavailable",
        "unknown",
        # These words as keys of a telephone, which is how Twilio spells a caller without a number.
        "266696687",  # ANONYMOUS
        "7378742833",  # RESTRICTED
        "86282452253",  # UNAVAILABLE
        "8656696",  # UNKNOWN
        "2562533",  # BLOCKED
    }
)


def key_of(caller: str, secret: bytes) -> str:
    """The key under which `caller`, Twilio's `From`, is counted: `ANONYMOUS`, or a hash of the number.

    A hash without a secret would be no secret: all telephone numbers of a country are tried in minutes. What
    is neither a number nor an address (`sip:`, `client:`, ...) is anonymous.
    """
    known = _known_as(caller)
    if known is None:
        return ANONYMOUS
    return hmac.new(secret, known.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _known_as(caller: str) -> str | None:
    """One spelling for each caller: a number without its plus, an address in small letters."""
    text = caller.strip().lower()
    if number := _NUMBER.fullmatch(text):
        return None if number[1] in _NO_NUMBER else number[1]
    # Port and parameters behind an address change from call to call, and say nothing of who calls.
    address = _ADDRESS.match(text)
    if address is None or address[2].removeprefix("+") in _NO_NUMBER:
        return None
    return address[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPerCaller:
    """The bounds for one caller; 0 stands for no limit."""

    at_once: int = 2
    per_10_minutes: int = 5
    per_day: int = 20
    anonymous_at_once: int = 10
    """All callers without a number together. They cannot be told apart: nothing else is counted of them."""


class CallerLimits:
    """The live and the latest calls of each caller."""

    def __init__(self, bounds: CallsPerCaller, *, callers_max: int = CALLERS_MAX) -> None:
        self._bounds = bounds
        self._callers_max = callers_max
        # Never forgotten before they end, so in a place of their own; as many as there are live calls.
        self._live: Counter[str] = Counter()
        # In order of the latest call: the first is the first to be forgotten.
        self._starts: dict[str, deque[float]] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def __repr__(self) -> str:
        live = f"{self._live.total()} of {len(self._live)} callers"
        return f"<CallerLimits remembered={len(self)} live={live}>"

    def live(self, caller: str) -> int:
        """The calls that this caller has at this moment."""
        return self._live[caller]

    def is_busy(self, caller: str) -> bool:
        """Whether the caller has as many calls at once as one may have."""
        bounds = self._bounds
        limit = bounds.anonymous_at_once if caller == ANONYMOUS else bounds.at_once
        return _is_reached(self._live[caller], limit)

    def declines(self, caller: str, now: float) -> bool:
        """Whether another call of this caller would be one too many."""
        if self.is_busy(caller):
            return True
        starts = self._starts.get(caller, ())
        in_10_minutes = sum(1 for start in starts if now - start < TEN_MINUTES_S)
        in_day = sum(1 for start in starts if now - start < DAY_S)
        return _is_reached(in_10_minutes, self._bounds.per_10_minutes) or _is_reached(
            in_day, self._bounds.per_day
        )

    def began(self, caller: str, now: float) -> None:
        """A call of this caller was taken."""
        self._live[caller] += 1
        self._remember(caller, now)

    def came_back(self, caller: str) -> None:
        """A call that was counted when it began, here or in another process, goes on."""
        self._live[caller] += 1

    def ended(self, caller: str) -> None:
        """A call that began or came back has ended. That it began stays counted."""
        assert self._live[caller] > 0, "a call ends once, after it began"
        self._live[caller] -= 1
        if not self._live[caller]:
            del self._live[caller]

    def restore(self, recent: Iterable[tuple[str, float]], *, wall_now: float, now: float) -> None:
        """Takes over the calls that earlier processes took.

        Args:
            recent: key of the caller and start of the call in wall-clock seconds, in any order. Those of
                the last day are enough.
            wall_now: the wall clock at this moment.
            now: the same moment on the clock of all other methods.
        """
        for caller, started_at in sorted(recent, key=lambda call: call[1]):
            age_s = max(0.0, wall_now - started_at)  # A wall clock that was set back makes no future.
            if age_s < DAY_S:
                self._remember(caller, now - age_s)

    def _remember(self, caller: str, start: float) -> None:
        # No rule looks further back than at the last `longest` calls.
        longest = max(self._bounds.per_10_minutes, self._bounds.per_day)
        if caller == ANONYMOUS or not longest:
            return
        starts = self._starts.pop(caller, None) or deque(maxlen=longest)
        starts.append(start)
        self._starts[caller] = starts
        if len(self._starts) > self._callers_max:
            del self._starts[next(iter(self._starts))]


def _is_reached(count: int, limit: int) -> bool:
    return limit > 0 and count >= limit
