"""What is looked for in a text that is about to be logged, and what is put in its place. Pure.

One pass from left to right. What stands first wins, so the things to keep shield the digits inside them.
Digits that are glued to letters or underscores belong to an identifier, unless a plus announces a number.
"""

from __future__ import annotations

import re
from typing import Final

MASK = "********"

SECRETS_BEGIN: Final = ("whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "AKIA", "ASIA")
"""Secrets that look like a word otherwise."""

_CARD: Final = r"""
    (?:3\d|4\d|5\d|6\d|2[2-7])(?:[ \u00a0-]?\d){11,17}
"""
"""Thirteen to nineteen digits, as the networks of cards begin them (ISO/IEC 7812)."""

PATTERN: Final = re.compile(
    r"""
    (?<![0-9A-Za-z])(?:
        (?P<keep>
            (?-i:[A-Z]{2}[0-9a-f]{32})                                  # a Twilio SID
          | [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}                 # a UUID
          | [0-9a-f]{64}(?![0-9A-Za-z])                                 # the key of a caller
          | (?:\d{1,3}\.){3}\d{1,3}(?![0-9.])                           # an IPv4 address
          | \d{4}-\d\d-\d\d                                             # an ISO date
            (?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?                    #   with a time
               (?:Z|[+-](?:0\d|1[0-4]):?(?:00|15|30|45)(?!\d))?)?       #   and an offset
        )
      | (?P<secret>
            (?: sk- | whsec_ | gh[pousr]_ | xox[a-z]- | AKIA | ASIA | eyJ (?=[\w-]+\.[\w-]+\.) )
            [A-Za-z0-9_.-]{8,}
        )
      | (?P<scheme> (?:Bearer|Basic)\s+ ) [A-Za-z0-9._~+/=-]{8,}
      | (?P<asked>                                                      # in a query, or a form
            (?: token | signature | sig | secret | password | api[_-]?key | access[_-]?token
              | auth[_-]?token | client[_-]?secret | X-Amz-(?:Signature|Credential|Security-Token)
            ) =
        ) [^\s&"'<>*]+
      | (?P<values>                                                     # how libraries show their input
            \[parameters:\s | input_value= | DETAIL:\s+ | Failing\ row\ contains\s
        ) .*
      | (?P<address> (?P<kind> (?:sips?|client): ) [^\s"'<>@,;]+ )
      | (?P<token> (?-i: (?=[\w-]{64})(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]+ ) )
    )
  | (?P<login> :// ) [^\s/@:"']*:[^\s/@"']+ (?=@)                        # https://name:password@host
  | (?P<mail> (?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d]{2,24} )
  | (?P<card> (?<!\d)"""
    + _CARD
    + r"""(?!\d) )
  | (?P<number>
        (?P<plus> \+ | %2B | (?<![\w*]) (?=[(\d]) )
        \(?\d(?: \d{9,} | (?:[\ \u00a0.()/\u2010\u2011\-]{0,3}\d){6,14} \d* )
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)

CARD: Final = re.compile(
    # What begins with a digit is looked for thirty times as fast as what begins with a look behind.
    r"[2-6](?<!\d\d)(?:(?<=[3-6])\d|(?<=2)[2-7])(?:[ \u00a0-]?\d){11,17}(?!\d)"
)
"""The same, alone."""

_NATIONAL_DIGITS_MIN: Final = 9
_DECIMAL: Final = re.compile(r"\d+\.\d+")


def masked(match: re.Match[str]) -> str:
    """What stands in a line in place of what `PATTERN` has found."""
    found = match.group()
    match match.lastgroup:
        case "keep":
            return found
        case "secret":
            return f"sk-{MASK}" if found[:3].lower() == "sk-" else MASK
        case "scheme" | "asked" | "login" | "values":
            return match[match.lastgroup] + MASK
        case "kind" | "address":
            return match["kind"] + MASK
        case "card":
            return _masked_card_or_number(match)
        case "token" | "mail":
            return MASK
        case _:
            return _masked_number(found, match["plus"])


def masked_card(match: re.Match[str]) -> str:
    """The number of a card is masked whole; other digits stay."""
    return MASK if _is_card(match.group()) else match.group()


def _is_card(text: str) -> bool:
    """Whether its last digit is the check digit (Luhn, ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in text if digit.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[::-2])) % 10 == 0


def _masked_card_or_number(match: re.Match[str]) -> str:
    """What is no card may be a telephone, unless letters stand before it."""
    found, start = match.group(), match.start()
    if _is_card(found):
        return MASK
    before = match.string[start - 1] if start else " "
    return found if before.isalnum() or before in "_*" else _masked_number(found, "")


def _masked_number(found: str, plus: str) -> str:
    digits = re.sub(r"\D", "", found.removeprefix(plus))
    if not plus and (len(digits) < _NATIONAL_DIGITS_MIN or _DECIMAL.fullmatch(found)):
        return found
    return f"{plus}{MASK}{digits[-2:]}"
