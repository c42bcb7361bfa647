"""The text of a server's list, without what would make the whole of it illegible. Pure.

The library's reader of JSON takes a text for none where more than 200 brackets are open at once, or where
half a character stands in it, as when a program has cut words in the midst of an emoji. So one entry would
cost all the others, before anybody could look at it by itself.
"""

from __future__ import annotations

import re
from typing import Final

NESTED_MAX: Final = 64
"""Brackets that may be open at once: more than a schema may have, with what is around it in a list."""

MARKS_MAX: Final = 50_000
"""Quotes, brackets and backslashes that are looked at, which takes 10 ms; a list of 200 KiB has as many. A
text with more stays as it is."""

_MARKS: Final = (b'"', b"\\", b"[", b"]", b"{", b"}")

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, or a bracket."""

_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""So an escape begins that may stand for half of a character only."""

_ESCAPE: Final = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
"""Both halves, or any other escape: then it has the group. Otherwise one half that is alone."""


def legible(text: bytes) -> bytes:
    """A JSON text, or whole lines of a stream of events that have such texts; never longer than before.

    A 0 stands in place of each object or list that is deeper, and U+FFFD in place of half a character.
    """
    if sum(map(text.count, _MARKS)) > MARKS_MAX:
        return text
    text = _shallow(text)
    return _ESCAPE.sub(lambda found: found[1] or rb"\ufffd", text) if _HALF.search(text) else text


def _shallow(text: bytes) -> bytes:
    kept, kept_to, are_open = [], 0, 0
    for token in _TOKEN.finditer(text):
        match text[token.start()]:
            case 0x5B | 0x7B:  # [ and {
                are_open += 1
                if are_open == NESTED_MAX + 1:
                    kept += [text[kept_to : token.start()], b"0"]
            case 0x5D | 0x7D:  # ] and }
                are_open -= 1
                if are_open == NESTED_MAX:
                    kept_to = token.end()
    return b"".join([*kept, text[kept_to:] if are_open <= NESTED_MAX else b""])
