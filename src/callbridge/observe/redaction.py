"""Takes phone numbers, addresses and secrets out of whatever is about to be logged.

Pure functions. They err on the side of masking: a number that was none costs a little legibility, a
number that was missed is in the logs for good. What operators search by is left whole: SIDs,
timestamps, IP addresses, UUIDs.

A masked number keeps its last two digits, enough to tell the two ends of a call apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MASK = "********"

_SECRET_KEYS = frozenset(
    {"api_key", "auth_token", "authorization", "password", "secret", "signature", "token"}
)
"""Names whose value is masked whatever it looks like."""

_SECRET_CHARACTERS_MIN = 8
"""A shorter configured secret would blank out ordinary words."""

# One pass from left to right. What stands first wins, so the things to keep shield the digits
# inside them. Digits that are glued to letters or underscores belong to an identifier, unless a
# plus sign announces a number.
_PATTERN = re.compile(
    r"""
    (?P<keep>
        (?<![0-9A-Za-z])(?:
            [A-Z]{2}[0-9a-f]{32}                                        # a Twilio SID
          | [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}                 # a UUID
          | (?:\d{1,3}\.){3}\d{1,3}(?![0-9.])                           # an IPv4 address
          | \d{4}-\d\d-\d\d                                             # an ISO date
            (?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?                    #   with a time
               (?:Z|[+-](?:0\d|1[0-4]):?(?:00|15|30|45)(?!\d))?)?       #   and an offset
        )
    )
  | (?P<secret> (?<![0-9A-Za-z])sk-[A-Za-z0-9_-]{8,} )
  | (?P<bearer> (?P<scheme> \bBearer\s+ ) [A-Za-z0-9._~+/=-]{8,} )
  | (?P<address> (?P<kind> \b(?:sips?|client): ) [^\s"'<>@,;]+ )
  | (?P<number>
        (?P<plus> \+ | %2B | (?<![\w*]) (?=[(\d]) )
        \(?\d(?: \d{9,} | (?:[\ \u00a0.()/\u2010\u2011\-]{0,3}\d){6,14} \d* )
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NATIONAL_DIGITS_MIN = 9
_DECIMAL = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Redaction:
    """Redacts text and nested values; also blanks out the secrets that it is told of."""

    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Redaction secrets={len(self.secrets)}>"

    def text(self, text: str) -> str:
        """`text` without the numbers, addresses and secrets in it."""
        for secret in self.secrets:
            if len(secret) >= _SECRET_CHARACTERS_MIN:
                text = text.replace(secret, MASK)
        return _PATTERN.sub(_masked, text)

    def value(self, value: object) -> object:
        """`value` with every string in it redacted; what is not plain data becomes its repr."""
        match value:
            case str():
                return self.text(value)
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self._key(key): self._entry(key, entry) for key, entry in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(entry) for entry in value]
            case _:
                return self.text(repr(value))

    def _key(self, key: object) -> str:
        return self.text(key if isinstance(key, str) else repr(key))

    def _entry(self, key: object, entry: object) -> object:
        if isinstance(entry, str) and isinstance(key, str) and key.lower() in _SECRET_KEYS:
            return MASK
        return self.value(entry)


def redaction(secrets: Iterable[str] = ()) -> Redaction:
    """A redaction that knows these secrets; the longest first, as one may contain another."""
    return Redaction(tuple(sorted(filter(None, secrets), key=len, reverse=True)))


def _masked(match: re.Match[str]) -> str:
    found = match.group()
    if match["keep"]:
        return found
    if match["secret"]:
        return f"sk-{MASK}"
    if match["bearer"]:
        return match["scheme"] + MASK
    if match["address"]:
        return match["kind"] + MASK
    return _masked_number(found, match["plus"])


def _masked_number(found: str, plus: str) -> str:
    digits = re.sub(r"\D", "", found.removeprefix(plus))
    if not plus and (len(digits) < _NATIONAL_DIGITS_MIN or _DECIMAL.fullmatch(found)):
        return found
    return f"{plus}{MASK}{digits[-2:]}"
