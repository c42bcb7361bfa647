"""Values as TOML, as far as scenarios need it: texts, numbers, lists and tables on one line. Pure."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LINE_MAX: Final = 100


def value(of: Any) -> str:
    """A value on one line. What is None within a table is left out: TOML has none.

    Raises:
        TypeError: TOML has no such value.
    """
    match of:
        case bool():
            return "true" if of else "false"
        case dt.datetime():
            return of.isoformat()
        case str():
            # A text of JSON is one of TOML but for DEL, which JSON leaves as it is.
            return json.dumps(of, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return repr(of)
        case list() | tuple():
            return f"[{', '.join(value(one) for one in of if one is not None)}]"
        case dict():
            parts = [f"{key(name)} = {value(one)}" for name, one in of.items() if one is not None]
            return f"{{ {', '.join(parts)} }}" if parts else "{}"
        case _:
            raise TypeError(f"TOML has no {type(of).__name__}")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else value(name)


def assignment(name: str, of: Any) -> str:
    """`name = value`; a list of several on a line each, where one line is too long for them."""
    line = f"{key(name)} = {value(of)}"
    if len(line) <= _LINE_MAX or not isinstance(of, list | tuple) or len(of) < 2:
        return line
    return "\n".join([f"{key(name)} = [", *(f"  {value(one)}," for one in of), "]"])


def table(name: str, entries: Mapping[str, Any]) -> str:
    """A table with a line for each entry."""
    return "\n".join([f"[{name}]", *(assignment(*entry) for entry in entries.items())])


def commented(lines: Iterable[str]) -> str:
    """Lines that are no part of the data."""
    return "\n".join(f"# {' '.join(line.split())}" for line in lines)
