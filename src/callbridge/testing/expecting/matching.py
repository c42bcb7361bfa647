"""When a value is the one that was expected, and when words stand in others. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Words: TypeAlias = "str | re.Pattern[str]"
"""Words that are looked for, whatever their case and punctuation; or a pattern, which minds both."""


def is_like(expected: Any, value: Any) -> bool:
    """Whether `value` is what was expected.

    A pattern must be found in it (of what is no text: in its JSON), a function must say yes to it, a type
    must be its own; whatever else is expected must equal it, and may have patterns and functions within.
    """
    if isinstance(expected, re.Pattern):
        return expected.search(value if isinstance(value, str) else as_json(value)) is not None
    if expected is int or expected is float:  # True is no 1 in JSON, here and below; 3 is a price as 3.5 is.
        return isinstance(value, int | float if expected is float else int) and not isinstance(value, bool)
    if isinstance(expected, type):
        return isinstance(value, expected)
    if callable(expected):
        return _says_yes(expected, value)
    if isinstance(expected, Mapping) and isinstance(value, Mapping):
        return expected.keys() == value.keys() and not differences(value, expected)
    if isinstance(expected, list | tuple) and isinstance(value, list):
        return len(expected) == len(value) and all(map(is_like, expected, value))
    return isinstance(expected, bool) == isinstance(value, bool) and bool(expected == value)


def differences(values: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What of the expected is missing from named values, or is another one."""
    return [
        f"{name} is {shown(values[name])}, expected {shown(one)}"
        if name in values
        else f"{name} is not there"
        for name, one in expected.items()
        if name not in values or not is_like(one, values[name])
    ]


def _says_yes(expected: Callable[[Any], object], value: Any) -> bool:
    """A function for numbers that is given a text says no."""
    try:
        return bool(expected(value))
    except (TypeError, ValueError, LookupError, AttributeError):
        return False


def as_json(value: Any) -> str:
    """A value as it stands in messages."""
    return msgspec.json.encode(value).decode()


def shown(expected: Any) -> str:
    """What was expected, as it is told."""
    if isinstance(expected, re.Pattern):
        return f"/{expected.pattern}/"
    if isinstance(expected, type) or callable(expected):
        return getattr(expected, "__name__", repr(expected))
    try:
        return as_json(expected)
    except (TypeError, msgspec.MsgspecError):
        return repr(expected)


def check_names(what: str, names: Sequence[object]) -> None:
    """Names stand one by one, as in `tools("find", "book")`.

    Raises:
        TypeError: a list of them was given, or something else.
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{what}({name!r}): write the names one by one, as in {what}('find', 'book')")


def parsed(text: str) -> Any:
    """JSON as its value, and everything else as the text that it is."""
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text


# --- Words ----------------------------------------------------------------------------------------------


def has_words(text: str, words: Words) -> bool:
    """Whether these words stand in a text, one after the other."""
    if isinstance(words, re.Pattern):
        return words.search(text) is not None
    if not isinstance(words, str):
        raise TypeError(f"{words!r}: words are one text or one pattern; expect several one by one")
    wanted = plain_words(words)
    if not wanted:
        raise ValueError(f"{words!r} has no words to look for")
    if any(ord(letter) > _SPACELESS for letter in "".join(wanted)):
        return "".join(wanted) in "".join(plain_words(text))
    return f" {' '.join(wanted)} " in f" {' '.join(plain_words(text))} "


_SPACELESS = 0x2E80
"""From here on scripts write no spaces between words."""


def plain_words(text: str) -> list[str]:
    """The words of a text, without case and punctuation: `Don't!` is `dont`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"\w+", re.sub(r"['\u2019]", "", folded))


def likeness(text: str, words: Words) -> float:
    """Which part of the words stands in a text, in whatever order: from 0 to 1."""
    if isinstance(words, re.Pattern):
        return 0.0
    wanted, there = plain_words(words), set(plain_words(text))
    return sum(word in there for word in wanted) / len(wanted) if wanted else 0.0
