"""A server's list as it comes, without what is nested too deep for whoever reads it. Pure.

The library's reader of JSON takes a text for none where more than 200 brackets are open at once. So one
schema that is as deep would cost all the other tools, before anybody could look at it by itself.
"""

from __future__ import annotations

import re
from typing import Final

NESTED_MAX: Final = 64
"""Brackets that may be open at once: more than a schema may have, with what is around it in a list."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|(\Z))|[\[{]|[\]}]', re.DOTALL)
"""A string, also one that goes on in the next piece (then it has the group), or a bracket."""


class Shallow:
    """A JSON text that comes piece by piece, or a stream of events that have such texts.

    A 0 stands in place of each object or list that is deeper. No text becomes longer.
    """

    def __init__(self) -> None:
        self._open = 0
        self._is_in_string = False
        self._rest = b""
        """A backslash whose other half is still to come."""

    def of(self, piece: bytes) -> bytes:
        """What is left of the next piece."""
        lead = b'"' if self._is_in_string else b""
        text = lead + self._rest + piece
        whole = len(text) - (len(text) - len(text.rstrip(b"\\"))) % 2
        text, self._rest = text[:whole], text[whole:]
        kept, kept_to, self._is_in_string = [], len(lead), False
        for token in _TOKEN.finditer(text):
            match text[token.start() : token.start() + 1]:
                case b'"':
                    self._is_in_string = token.lastindex is not None
                case b"[" | b"{":
                    self._open += 1
                    if self._open == NESTED_MAX + 1:
                        kept += [text[kept_to : token.start()], b"0"]
                case _:
                    self._open -= 1
                    if self._open == NESTED_MAX:
                        kept_to = token.end()
        if self._open <= NESTED_MAX:
            kept.append(text[kept_to:])
        return b"".join(kept)
