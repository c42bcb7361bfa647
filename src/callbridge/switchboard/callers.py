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
    from collections.abc import Iterable, Mapping

ANONYMOUS: Final = "anonymous"
"""The key that all callers without a number share."""

TEN_MINUTES_S: Final = 600.0
DAY_S: Final = 86_400.0

CALLERS_MAX: Final = 10_000
"""Callers remembered. With a key of 64 letters and twenty starts one takes about 1.5 KB: 15 MB at most. Above
it the one who has not called for the longest time is forgotten; half of the places are for those at a
limit."""

_NUMBER = re.compile(r"\+?([0-9]{3,15})")
_SIP = re.compile(r"sips?:(?:([^@]*)@)?(\[[^\]@]*\]|[^@:;?\[\]]+)(?:[:;?][^@]*)?")
_NAMED = re.compile(r"(?:client|whatsapp):([^@;?]+)(@[^:;?]+)?")

_NO_NUMBER_WORDS: Final = frozenset(
    {"anonymous", "blocked", "private", "restricted", "unavailable", "unknown", "withheld"}
)
"""What carriers put in the place of a number that is not told."""

_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_NO_NUMBER_KEYS: Final = frozenset(word.translate(_KEYS) for word in _NO_NUMBER_WORDS)
"""The same words as keys of a telephone, which is how Twilio spells a caller without a number: RESTRICTED is
+7378742833. Some carriers set the country code 1 before it; the one such number that could be somebody's,
+1 737 874 2833 in Texas, is theirs more often than its owner's."""


def key_of(caller: str, secret: bytes) -> str:
    """The key under which `caller`, Twilio's `From`, is counted: `ANONYMOUS`, or a hash of the number.

    A hash without a secret would be no secret: all telephone numbers of a country are tried in minutes. What
    is neither a number nor an address (`sip:`, `client:`, ...) is anonymous.
    """
    known = known_as(caller)
    return ANONYMOUS if known is None else _hashed(known, secret)


def remembered_key(caller: str, secret: bytes) -> str:
    """The key under which is kept what is remembered of `caller`; empty for who cannot be told apart.

    As `key_of`, but for callers by SIP: they are counted by their host, and are still several people.
    """
    known = known_as(caller)
    if known is None:
        return ""
    address = _SIP.fullmatch(caller.strip().lower())
    user = "" if address is None else re.split("[:;?]", address[1] or "", maxsplit=1)[0]
    return _hashed(f"{known} {user}" if user else known, secret)


def _hashed(known: str, secret: bytes) -> str:
    return hmac.new(secret, known.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def known_as(caller: str) -> str | None:
    """One spelling for each caller; None for all who cannot be told apart.

    A number without its plus, an address in small letters. Callers by SIP are known by their host alone: they
    choose their user names themselves. Names of apps are given by the account's own server, numbers of
    WhatsApp by WhatsApp: these are known by name.
    """
    text = caller.strip().lower()
    if number := _NUMBER.fullmatch(text):
        return None if _is_no_number(number[1]) else number[1]
    # Port and parameters behind an address change from call to call, and say nothing of who calls.
    if address := _SIP.fullmatch(text):
        user = re.split("[:;?]", address[1] or "", maxsplit=1)[0]
        return None if _is_no_number(user) else f"sip:{address[2].rstrip('.')}"
    named = _NAMED.match(text)
    return None if named is None or _is_no_number(named[1]) else named[0]


def is_one_caller(caller: str, shared: Iterable[str | None] = ()) -> bool:
    """Whether all calls that show this number are of one caller, as far as one can know.

    Callers without a number, of a SIP host or of a switchboard (`shared`) cannot be told apart.
    """
    name = known_as(caller)
    return name is not None and not name.startswith("sip:") and name not in shared


def _is_no_number(name: str) -> bool:
    word = name.removeprefix("+")
    return word in _NO_NUMBER_WORDS or word in _NO_NUMBER_KEYS or word.removeprefix("1") in _NO_NUMBER_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPerCaller:
    """The bounds for one caller; 0 stands for no limit."""

    at_once: int = 2
    per_10_minutes: int = 5
    per_day: int = 20
    anonymous_at_once: int = 10
    """All callers without a number together: they cannot be told apart."""
    anonymous_per_day: int = 100
    """The same in 24 hours. Nothing is counted of them in ten minutes."""


class CallerLimits:
    """The live and the latest calls of each caller.

    Args:
        bounds: those of every caller.
        at_once_of: callers of whom their own number of calls at once is known, by key; 0 for no limit. A
            switchboard whose every call comes from one number is bound by nothing else.
        callers_max: how many are remembered.
    """

    def __init__(
        self,
        bounds: CallsPerCaller,
        at_once_of: Mapping[str, int] | None = None,
        *,
        callers_max: int = CALLERS_MAX,
    ) -> None:
        self._bounds, self._at_once_of = bounds, at_once_of or {}
        self._callers_max = callers_max
        # Never forgotten before they end, so in a place of their own; as many as there are live calls.
        self._live: Counter[str] = Counter()
        # Both in order of the latest call: the first is the first to be forgotten. Those at a limit stand by
        # themselves, or ten thousand fresh numbers would wash them out, and their limit with them.
        self._starts: dict[str, deque[float]] = {}
        self._at_limit: dict[str, deque[float]] = {}
        self._anonymous: deque[float] = deque(maxlen=bounds.anonymous_per_day)

    def __len__(self) -> int:
        return len(self._starts) + len(self._at_limit)

    def __repr__(self) -> str:
        live = f"{self._live.total()} of {len(self._live)} callers"
        return f"<CallerLimits remembered={len(self)} live={live}>"

    def live(self, caller: str) -> int:
        """The calls that this caller has at this moment."""
        return self._live[caller]

    def is_busy(self, caller: str) -> bool:
        """Whether the caller has as many calls at once as one may have."""
        bounds = self._bounds
        usual = bounds.anonymous_at_once if caller == ANONYMOUS else bounds.at_once
        return _is_reached(self._live[caller], self._at_once_of.get(caller, usual))

    def declines(self, caller: str, now: float) -> bool:
        """Whether another call of this caller would be one too many."""
        if self.is_busy(caller):
            return True
        if caller == ANONYMOUS:
            return _is_reached(_within(DAY_S, self._anonymous, now), self._bounds.anonymous_per_day)
        starts = self._at_limit.get(caller) or self._starts.get(caller)
        return starts is not None and self._are_too_many(starts, now)

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

    def turned_away(self, caller: str, now: float) -> None:
        """A call was not taken, for a reason that is none of this caller's: it counts, but is not live.

        A human may have been rung for it, whom nobody is to ring without end.
        """
        self._remember(caller, now)

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

    def _are_too_many(self, starts: deque[float], now: float) -> bool:
        bounds = self._bounds
        return _is_reached(_within(TEN_MINUTES_S, starts, now), bounds.per_10_minutes) or _is_reached(
            _within(DAY_S, starts, now), bounds.per_day
        )

    def _remember(self, caller: str, start: float) -> None:
        # No rule looks further back than at the last `longest` calls.
        longest = max(self._bounds.per_10_minutes, self._bounds.per_day)
        if caller == ANONYMOUS:
            self._anonymous.append(start)
        elif longest and caller not in self._at_once_of:
            starts = self._at_limit.pop(caller, None) or self._starts.pop(caller, None)
            starts = starts or deque(maxlen=longest)
            starts.append(start)
            kept = self._at_limit if self._are_too_many(starts, start) else self._starts
            kept[caller] = starts
            self._forget_one_too_many()

    def _forget_one_too_many(self) -> None:
        if len(self) <= self._callers_max:
            return
        # No more than half, or no fresh caller would be remembered long enough to be counted at all.
        kept = self._at_limit if len(self._at_limit) > self._callers_max // 2 else self._starts
        del kept[next(iter(kept))]


def _within(seconds: float, starts: Iterable[float], now: float) -> int:
    return sum(now - start < seconds for start in starts)


def _is_reached(count: int, limit: int) -> bool:
    return limit > 0 and count >= limit
