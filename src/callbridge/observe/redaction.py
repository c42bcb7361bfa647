"""Takes phone numbers, addresses and secrets out of whatever is about to be logged, and keeps it in bounds.

What is looked for in a text stands in `redaction_patterns`.

Pure functions. They err on the side of masking: a number that was none costs a little legibility, a
number that was missed is in the logs for good. What operators search by is left whole: SIDs,
timestamps, IP addresses, UUIDs.

A masked number keeps its last two digits, enough to tell the two ends of a call apart. Text of strangers also
comes out without control characters, which a terminal would obey, and cut to a length that a person reads.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from callbridge.observe.redaction_patterns import CARD, MASK, PATTERN, SECRETS_BEGIN, masked, masked_card

VALUE_CHARACTERS_MAX: Final = 500
"""Of one value: an error of the model with its advice has about 300."""

KEY_CHARACTERS_MAX: Final = 64
ENTRIES_MAX: Final = 20
"""Of one list or mapping within a line."""

DEPTH_MAX: Final = 3

_SECRET_KEYS = frozenset(
    {"apikey", "authtoken", "accesstoken", "refreshtoken", "streamtoken", "token", "authorization", "cookie"}
    | {"password", "secret", "secretkey", "clientsecret", "privatekey", "recordskey", "setcookie"}
    | {"signature", "xtwiliosignature", "webhooksignature", "xamzsecuritytoken"}
)
"""Names whose value is masked whatever it looks like, in small letters without signs between words."""

_WORD_KEYS = frozenset(
    {"agentsaid", "arguments", "callersaid", "delta", "keys", "instructions", "transcript", "transcripts"}
)
"""Names under which words of a call may stand: of them only the length is shown, unless words may be."""

_NUMBER_KEYS = frozenset(
    {"caller", "called", "from", "to", "forwardedfrom", "calledvia", "callerid", "callername"}
    | {"callernumber", "callednumber", "phone", "phonenumber", "dial", "fallbackdial"}
)
"""Names of telephones, in small letters without signs between words: Twilio's and ours. What stands there is
masked whatever it looks like: a short number, an extension, a user of SIP."""

_SECRET_CHARACTERS_MIN = 8
"""A shorter configured secret would blank out ordinary words."""

_WORD_CHARACTERS_MAX = 48
"""Of names of ours and SIDs; what is longer may be a token."""

_RECOGNISED_WITHIN = 100
"""Characters in which the pattern below knows what it sees; the longest is a number with signs between its
fifteen digits."""

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # What a terminal obeys.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # What turns the direction of the text around.
    "\u2028\u2029\ud800-\udfff]"  # Ends of lines for some readers; halves of characters.
)

_TELEPHONE = re.compile(r"\+?[\d\s()./-]+")
_TELEPHONE_DIGITS_MIN = 7
"""Of fewer digits the last two would be half of what there is to know."""

_ADDRESS = re.compile(r"(sips?|client):[^@]*(?:@([A-Za-z0-9.:\[\]-]{1,100}))?", re.IGNORECASE)
_LENGTH = re.compile(r"\(\d+ characters\)")
_MASKED = re.compile(r"\+?\*{8}\d{0,2}")


def masked_number(number: str) -> str:
    """A telephone as it may be logged: `+********23`, `sip:********@host`, `********`.

    Nothing stays nothing, and what is masked already stays as it is.
    """
    if not number or _MASKED.fullmatch(number):
        return number
    if address := _ADDRESS.match(number[:VALUE_CHARACTERS_MAX]):
        scheme, host = address.groups()
        return f"{scheme.lower()}:{MASK}" + (f"@{host}" if host else "")
    digits = re.sub(r"\D", "", number[:_RECOGNISED_WITHIN])
    if len(digits) < _TELEPHONE_DIGITS_MIN or not _TELEPHONE.fullmatch(number[:_RECOGNISED_WITHIN]):
        return MASK
    return f"{'+' if number.startswith('+') else ''}{MASK}{digits[-2:]}"


def escaped(text: str) -> str:
    """`text` on one line; what a terminal would obey is written out, as in a Python string."""
    return _CONTROL.sub(_written_out, text)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Redacts text and nested values; also blanks out the secrets that it is told of."""

    secrets: tuple[str, ...] = ()
    """The longest first, as one may contain another."""
    with_words: bool = True
    """Whether what stands under a name for words is shown."""

    def __repr__(self) -> str:
        return f"<Redaction secrets={len(self.secrets)}>"

    def text(self, text: str, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
        """`text` without the numbers, addresses, secrets and control characters in it.

        Of a longer text the beginning, and how much more there is. Only that much of it is looked at, so
        that a line costs the same whatever a peer has said.
        """
        margin = _RECOGNISED_WITHIN + len(self.secrets[0]) if self.secrets else _RECOGNISED_WITHIN
        seen = text[: characters_max + margin]
        is_cut = len(seen) < len(text)
        for secret in self.secrets:
            seen = seen.replace(secret, MASK)
        if not is_cut and len(seen) <= characters_max and _is_word(seen):
            return seen
        # What begins near a cut may be half of something. Secrets that were blanked out brought it nearer.
        end = min(characters_max, max(0, len(seen) - margin)) if is_cut else characters_max
        shown = escaped(self._masked_until(seen, end))
        if len(text) <= characters_max and len(shown) <= characters_max:
            return shown
        return f"{shown[:characters_max]}… (of {len(text)} characters)"

    def value(self, value: object, depth: int = 0) -> object:
        """`value` with every text in it redacted; what is not plain data becomes its repr.

        Of long lists and mappings the beginning.
        """
        match value:
            case str():
                return self.text(value)
            case None | bool():
                return value
            case int():
                # Python writes no integer of more than 4300 digits.
                return value if abs(value) < 2**63 else f"a number of {value.bit_length()} bits"
            case float():
                return value if math.isfinite(value) else repr(value)  # JSON has no infinity.
            case Mapping() | list() | tuple() | set() | frozenset() if depth >= DEPTH_MAX:
                return "…"
            case Mapping():
                return self._mapping(value, depth)
            case list() | tuple() | set() | frozenset():
                return self._list(value, depth)
            case bytes() | bytearray():
                return self.text(repr(value[: VALUE_CHARACTERS_MAX + _RECOGNISED_WITHIN]))
            case _:
                return self.text(repr(value))

    def entry(self, key: object, entry: object, depth: int = 0) -> object:
        """The value that stands under the name `key`."""
        if isinstance(key, str) and _names_a_telephone(key[:KEY_CHARACTERS_MAX]):
            return self._telephones(entry, depth)
        name = _bare(key[:KEY_CHARACTERS_MAX]) if isinstance(key, str) else ""
        if isinstance(entry, str | bytes) and name in _SECRET_KEYS:
            return MASK
        if isinstance(entry, str | bytes) and name in _WORD_KEYS and not self.with_words:
            return _length(entry)
        return self.value(entry, depth)

    def number(self, number: str) -> str:
        """As `masked_number`."""
        return masked_number(number)

    def without_cards(self, text: str) -> str:
        """`text` as it is, but for the numbers of payment cards in it. Those may not even be kept."""
        return CARD.sub(masked_card, text)

    def key(self, key: object) -> str:
        """A name, which may be a stranger's as well."""
        return self.text(key if isinstance(key, str) else repr(key), KEY_CHARACTERS_MAX)

    def _mapping(self, mapping: Mapping[object, object], depth: int) -> dict[str, object]:
        shown: dict[str, object] = {}
        for key, entry in mapping.items():
            if len(shown) == ENTRIES_MAX:
                shown["…"] = f"{len(mapping) - ENTRIES_MAX} more"
                break
            shown[self.key(key)] = self.entry(key, entry, depth + 1)
        return shown

    def _list(self, entries: Iterable[object], depth: int) -> list[object]:
        entries = list(entries)
        shown = [self.value(entry, depth + 1) for entry in entries[:ENTRIES_MAX]]
        return [*shown, f"… {len(entries) - ENTRIES_MAX} more"] if len(entries) > ENTRIES_MAX else shown

    def _telephones(self, entry: object, depth: int) -> object:
        match entry:
            case None | bool() | Mapping():
                return self.value(entry, depth)
            case list() | tuple() | set() | frozenset():
                return self._list([self._telephones(one, depth) for one in entry], depth)
            case _:
                return self.text(masked_number(str(entry)))

    def _masked_until(self, text: str, end: int) -> str:
        """`text` up to `end`, masked; what begins before it is masked whole, so that no half is left."""
        parts, done = [], 0
        for match in PATTERN.finditer(text):
            if match.start() >= end:
                break
            parts += [text[done : match.start()], masked(match)]
            done = match.end()
        return "".join([*parts, text[done:end]])


def redaction(secrets: Iterable[str] = (), *, with_words: bool = True) -> Redaction:
    """A redaction that knows these secrets, but for those that are too short to be any."""
    known = [secret for secret in secrets if len(secret) >= _SECRET_CHARACTERS_MIN]
    return Redaction(tuple(sorted(known, key=len, reverse=True)), with_words)


def _length(words: str | bytes) -> str:
    """In place of words. What stands for some already stays."""
    if not words or (isinstance(words, str) and _LENGTH.fullmatch(words)):
        return str(words or "")
    return f"({len(words)} characters)"


def _is_word(text: str) -> bool:
    """Most values are: digits in one announce no number, and it is no secret by its looks."""
    return len(text) <= _WORD_CHARACTERS_MAX and text.isidentifier() and not text.startswith(SECRETS_BEGIN)


@functools.lru_cache(maxsize=512)
def _bare(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


def _names_a_telephone(key: str) -> bool:
    return _bare(key) in _NUMBER_KEYS


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    names = {9: "\\t", 10: "\\n", 13: "\\r"}
    return names.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
