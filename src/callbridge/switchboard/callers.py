"""How often one caller may call: at once, in ten minutes, in a day.

Callers are known by the keyed hash of their number, so that no number is kept. A caller ID can be forged:
this keeps an honest caller's stuck redial and a lazy attacker from taking every line; the caps on
calls and spending hold against the rest.

Here stands who counts as one caller, and which bounds hold for whom. The calls themselves are counted where
all processes see them: in the state (`state/places.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.state.places import CallerBounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANONYMOUS: Final = "anonymous"
"""The key that all callers without a number share."""

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
    at_once_of: Mapping[str, int] = field(default_factory=dict)
    """Callers of whom their own number of calls at once is known, by key. A switchboard, whose every call
    comes from one number, is bound by nothing else."""

    def of(self, caller: str) -> CallerBounds:
        """What holds for the caller with this key."""
        if caller in self.at_once_of:
            return CallerBounds(at_once=self.at_once_of[caller])
        if caller == ANONYMOUS:
            return CallerBounds(at_once=self.anonymous_at_once, per_day=self.anonymous_per_day)
        return CallerBounds(at_once=self.at_once, per_10_minutes=self.per_10_minutes, per_day=self.per_day)
