"""In which line of a scenario something stands: the tables and keys, and the members of lists. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callbridge.agents.written.key_lines import key_lines

if TYPE_CHECKING:
    from callbridge.agents.written.key_lines import KeyPath

_TOKEN: Final = re.compile(
    r'"""(?:.|\n)*?"""'
    r"|'''(?:.|\n)*?'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{},\n]"
    r"|[^\s\[\]{},#\"']+"
)


class Places:
    """Of one file.

    Args:
        text: TOML that was read without a fault.
    """

    def __init__(self, text: str) -> None:
        self._text, self._keys = text, key_lines(text)

    def line_of(self, path: KeyPath) -> int | None:
        """Where `path` stands, or what it is in; None for the whole file. The first line is 1."""
        length = next((n for n in range(len(path), 0, -1) if path[:n] in self._keys), 0)
        if not length:
            return None
        line, rest = self._keys[path[:length]], path[length:]
        if rest and isinstance(rest[0], int):
            members = self._members(line)
            return members[rest[0]] if rest[0] < len(members) else line
        return line

    def _members(self, line: int) -> list[int]:
        """Where each member begins of the list that is assigned in this line; none where it is none."""
        begin = sum(map(len, self._text.splitlines(keepends=True)[: line - 1]))
        found: list[int] = []
        depth, awaits_one = 0, False
        for token in _TOKEN.finditer(self._text, self._text.find("=", begin) + 1):
            said = token[0]
            if said.startswith("#") or said == "\n":
                line += said == "\n"
                continue
            if depth == 1 and awaits_one and said not in {"]", ","}:
                found.append(line)
                awaits_one = False
            line += said.count("\n")
            depth += (said in {"[", "{"}) - (said in {"]", "}"})
            if depth == 1 and (said == "," or (said == "[" and not found)):
                awaits_one = True
            if depth <= 0:
                break
        return found
