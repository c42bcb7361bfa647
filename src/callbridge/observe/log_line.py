"""What one line of the log holds, and how it looks to a person at a terminal. Pure.

Nothing that a peer says makes a line longer than `LINE_BYTES_MAX`, and what was left out is said.
"""

from __future__ import annotations

import datetime as dt
import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from callbridge.observe.redaction import escaped

if TYPE_CHECKING:
    from callbridge.observe.redaction import Redaction

LINE_BYTES_MAX: Final = 8192
"""As JSON. Many collectors cut a line at 16 KiB, and what was cut is JSON no more."""

TRACEBACK_BYTES: Final = 4096
"""Of a line, kept for where it happened."""

FIELDS_MAX: Final = 64
"""Of one line; the longest of ours has thirty."""

TRACEBACK_LINES_MAX: Final = 60
TRACEBACKS: Final = ("exception", "stack")
"""Fields of several lines, of which the last ones say most."""

_FIRST: Final = ("timestamp", "level", "event", "call_sid", "stream_sid")
"""What every reader looks for."""


def fitted(event: Mapping[str, object], redaction: Redaction) -> dict[str, object]:
    """The fields of a line, redacted and in bounds: what is looked for first, where it happened last."""
    traced = [key for key in TRACEBACKS if isinstance(event.get(key), str)]
    order = [key for key in _FIRST if key in event]
    order += [key for key in event if key not in _FIRST and key not in traced]
    line = {redaction.key(key): redaction.entry(key, event[key]) for key in order[:FIELDS_MAX]}
    bytes_max = LINE_BYTES_MAX - (TRACEBACK_BYTES if traced else 0)
    if len(line) < len(order) or _size(line) > bytes_max:
        line = _as_many_as_fit(line, len(order), bytes_max)
    for key in traced:
        line[key] = _last_lines(str(event[key]), redaction, LINE_BYTES_MAX - _size(line | {key: ""}))
    return line


def _as_many_as_fit(line: Mapping[str, object], fields: int, bytes_max: int) -> dict[str, object]:
    left = bytes_max - _size({"…": f"{fields} fields left out"})
    fitting: dict[str, object] = {}
    for key, entry in line.items():
        size = _size({key: entry})
        if size <= left:
            left -= size
            fitting[key] = entry
    return fitting | {"…": f"{fields - len(fitting)} fields left out"}


def _last_lines(text: str, redaction: Redaction, bytes_max: int) -> str:
    lines = [redaction.text(line) for line in text.rstrip("\n").rsplit("\n", TRACEBACK_LINES_MAX)]
    left_out = False
    while lines and (len(lines) > TRACEBACK_LINES_MAX or _size(["…", *lines]) > bytes_max):
        del lines[0]
        left_out = True
    return "\n".join(["…", *lines] if left_out else lines)


def _size(data: object) -> int:
    return len(json.dumps(data))


# --- For a terminal -----------------------------------------------------------------------------------

COLUMNS: Final = 120

_LEVELS: Final = {"warning": "warn", "critical": "crit", "exception": "error"}
_COLOURS: Final = {"debug": "2", "info": "32", "warn": "33", "error": "31", "crit": "1;31"}
_INTERESTING: Final = ("reason", "follows", "why", "error", "name", "tool", "outcome", "turn", "status")
"""What a person reads first; the rest follows in its own order."""

_INDENT: Final = " " * 19
"""Below the name of the event."""


def console_line(line: Mapping[str, object], *, has_colours: bool) -> str:
    """A line in columns: local time, level, event, the end of the CallSid, fields.

    Fields that say nothing are left out, and the StreamSid where the CallSid tells the call; JSON has them.
    What does not fit into `COLUMNS` goes on below.
    """
    parts = [(_time(line.get("timestamp")), "2"), *_what(line)]
    for key in _order(line):
        if not _says_nothing(line[key]):
            parts += [(words, "") for words in _broken(f"{key}={_shown(line[key])}")]
    rows, width = [""], 0
    for text, colour in parts:
        if width and width + 1 + len(text) > COLUMNS:
            rows.append(_INDENT)
            width = len(_INDENT)
        elif width:
            rows[-1] += " "
            width += 1
        width += len(text)
        rows[-1] += f"\x1b[{colour}m{text}\x1b[0m" if has_colours and colour else text
    for key in TRACEBACKS:
        rows += [f"    {row}" for row in str(line.get(key, "")).split("\n") if row]
    return "\n".join(row.rstrip() for row in rows)


def _what(line: Mapping[str, object]) -> list[tuple[str, str]]:
    level = str(line.get("level", ""))
    level = _LEVELS.get(level, level)
    found = [(f"{level:5}", _COLOURS.get(level, "")), (f"{line.get('event', '')!s:18}", "1")]
    call_sid = line.get("call_sid")
    return [*found, (_short(str(call_sid)), "36")] if call_sid else found


def _order(line: Mapping[str, object]) -> list[str]:
    said = {"timestamp", "level", "event", "call_sid", *TRACEBACKS}
    if line.get("call_sid"):
        said.add("stream_sid")
    first = [key for key in _INTERESTING if key in line]
    return first + [key for key in line if key not in said and key not in first]


def _short(sid: str) -> str:
    """The last six digits tell calls apart, and find the whole SID in Twilio's console."""
    return f"{sid[:2]}…{sid[-6:]}" if len(sid) > 12 else sid


def _time(timestamp: object) -> str:
    try:
        moment = dt.datetime.fromisoformat(str(timestamp)).astimezone()
    except ValueError:
        return str(timestamp or "")
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"


def _says_nothing(value: object) -> bool:
    """Zero is a number like others, but not among the counts of a mapping."""
    if isinstance(value, Mapping):
        return all(_says_nothing(entry) or entry == 0 for entry in value.values())
    return value is None or value is False or value in ("", [])


def _broken(field: str) -> list[str]:
    """Below each other, if it is too long for one row. A long address stays whole, to be copied."""
    width = COLUMNS - len(_INDENT)
    if len(field) <= width:
        return [field]
    return textwrap.wrap(field, width, break_long_words=False, break_on_hyphens=False)


def _shown(value: object) -> str:
    match value:
        case Mapping():
            return "{" + " ".join(f"{key}={_shown(entry)}" for key, entry in value.items() if entry) + "}"
        case list():
            return "[" + " ".join(map(_shown, value)) + "]"
        case str() if not value or set(value) & set(" =\"'[]{}"):
            return '"' + value.replace('"', r"\"") + '"'
        case True | False:
            return str(value).lower()
        case _:
            return escaped(str(value))
