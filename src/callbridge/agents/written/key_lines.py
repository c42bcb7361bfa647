"""In which line of a TOML file a key stands: `tomllib` tells that only of what it cannot read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyPath: TypeAlias = "tuple[str | int, ...]"
"""Names, and the places in lists: `("tools", 0, "url")`."""

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE: Final = re.compile(rf"\s*\[\s*({_KEY})\s*\]")
_TABLE_OF_LIST: Final = re.compile(rf"\s*\[\[\s*({_KEY})\s*\]\]")
_ASSIGNED: Final = re.compile(rf"\s*({_KEY})\s*=\s*(.*)", re.DOTALL)
_LONG_QUOTES: Final = ('"""', "'''")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The lines of all tables and keys, the first is 1. `text` is TOML that was read without a fault."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in _lines_outside_of_texts(text):
        if found := _TABLE_OF_LIST.match(line):
            listed = _in_lists(_parts(found[1]), counts)
            counts[listed] = counts.get(listed, -1) + 1
            table = (*listed, counts[listed])
        elif found := _TABLE.match(line):
            table = _in_lists(_parts(found[1]), counts)
            if table in counts:
                table = (*table, counts[table])
        elif found := _ASSIGNED.match(line):
            path = (*table, *_parts(found[1]))
            for length in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:length], number)
            continue
        else:
            continue
        lines.setdefault(table, number)
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Where `path` stands, or what it is in; None for the whole file."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


def _in_lists(parts: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """The path of a table, with the places of the lists that it is in."""
    path: KeyPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *parts[-1:])


def _parts(key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def _lines_outside_of_texts(text: str) -> Iterator[tuple[int, str]]:
    """The lines that do not begin within a text of several lines."""
    open_quotes = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not open_quotes:
            yield number, line
        for quotes in re.findall("|".join(_LONG_QUOTES), line):
            if not open_quotes:
                open_quotes = quotes
            elif quotes == open_quotes:
                open_quotes = ""
