r"""Reads the text of a `.env` file, and misses nothing that was meant in it.

One setting a line: `NAME=value`, perhaps behind `export`. A line that begins with `#` is a comment. A value
is taken as it stands, without the space around it. In quotes it may have several lines. In double quotes
`\n`, `\t`, `\"` and `\\` mean what they mean in C, in single quotes only `\'` and `\\` do.

What Docker, a shell and other readers take for different things is refused: ` #` in a value without quotes,
`${NAME}`, text behind a closing quote, a quote that nothing closes.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.server.config.setting_names import begins_like_ours

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """One value."""

    line: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class LineFault:
    """Something that cannot be read as it was meant."""

    line: int
    name: str
    """Whose value it is; empty where no name can be read."""

    what: str
    remedy: str


_NEWLINE: Final = re.compile(r"\r\n?")
_HEAD: Final = re.compile(r"[^\S\n]*(?:export[^\S\n]+)?([^\s=#'\"]+)[^\S\n]*=[^\S\n]*")
_QUOTED: Final = {
    '"': re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL),
    "'": re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL),
}
_ESCAPES: Final = {'"': re.compile(r"\\[\\'\"abfnrtv]"), "'": re.compile(r"\\[\\']")}
_COMMENT: Final = re.compile(r"(?:^|\s)#")
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_]\w*(?::-[^}]*)?\}")


def decoded(data: bytes) -> tuple[str, list[LineFault]]:
    """The text of a file, and where it is not UTF-8. A byte order mark does not count."""
    utf_16 = next(
        (mark for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) if data.startswith(mark)), None
    )
    if utf_16 is not None:
        return data.decode("utf-16", "replace"), [LineFault(1, "", "is UTF-16", _SAVE_ANEW)]
    lines = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    wrong = [number for number, line in enumerate(lines, 1) if not _is_text(line)]
    faults = [LineFault(wrong[0], "", "is not UTF-8, but in an older encoding", _SAVE_ANEW)] if wrong else []
    return b"\n".join(lines).decode("utf-8", "replace"), faults


_SAVE_ANEW: Final = "Save the file as UTF-8"


def _is_text(line: bytes) -> bool:
    try:
        return "\0" not in line.decode("utf-8")
    except UnicodeDecodeError:
        return False


def read_lines(text: str) -> Iterator[Entry | LineFault]:
    """All that stands in the text, in its order."""
    text = _NEWLINE.sub("\n", text)
    at, line = 0, 1
    while at < len(text):
        found, after = _statement(text, at, line)
        if found is not None:
            yield found
        line += text.count("\n", at, after)
        at = after


def unquoted(value: str) -> str:
    """The value without the quotes around the whole of it, which Docker's `--env-file` passes on."""
    quoted = _QUOTED[value[0]].fullmatch(value) if value[:1] in _QUOTED else None
    return value if quoted is None else _unescaped(quoted[1], value[0])


def _statement(text: str, at: int, line: int) -> tuple[Entry | LineFault | None, int]:
    """What begins at `at`, and where the next begins."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    content = text[at:end].strip()
    if not content or content.startswith("#"):
        return None, end + 1
    head = _HEAD.match(text, at, end)
    if head is None:
        return LineFault(line, "", "cannot be read", _REMEDY_OF_A_LINE), end + 1
    if text[head.end() : head.end() + 1] in _QUOTED:
        return _quoted(text, head, line, end)
    value = text[head.end() : end].rstrip()
    return _plain(head[1], value, line), end + 1


_REMEDY_OF_A_LINE: Final = (
    "Write NAME=value, and a # before a comment. A value of several lines stands in double quotes"
)


def _plain(name: str, value: str, line: int) -> Entry | LineFault:
    if _COMMENT.search(value):
        remedy = "Put the value in double quotes, or the comment on a line of its own"
        return LineFault(
            line, name, "has a # in it, which may begin a comment or belong to the value", remedy
        )
    if fault := _reference(name, value, line):
        return fault
    return Entry(line, name, value)


def _quoted(text: str, head: re.Match[str], line: int, end: int) -> tuple[Entry | LineFault, int]:
    name, quote = head[1], text[head.end()]
    quoted = _QUOTED[quote].match(text, head.end())
    # What looks like the next setting is no part of this one: somebody has forgotten a quote.
    if quoted is None or any(_is_setting(each) for each in quoted[1].split("\n")[1:]):
        return LineFault(line, name, f"begins with {quote}, which is not closed", _CLOSE), end + 1
    end = text.find("\n", quoted.end())
    end = len(text) if end < 0 else end
    behind = text[quoted.end() : end].strip()
    if behind and not behind.startswith("#"):
        what = f"goes on behind its closing {quote}"
        return LineFault(line, name, what, _REMEDY_OF_A_QUOTE.format(quote)), end + 1
    fault = _reference(name, quoted[1], line) if quote == '"' else None
    return fault or Entry(line, name, _unescaped(quoted[1], quote)), end + 1


_CLOSE: Final = "Close it, or leave quotes out where the value has one line"
_REMEDY_OF_A_QUOTE: Final = "Write \\{} inside of the quotes, or leave them out where the value has one line"


def _is_setting(line: str) -> bool:
    head = _HEAD.match(line)
    return head is not None and begins_like_ours(head[1])


def _reference(name: str, value: str, line: int) -> LineFault | None:
    if _REFERENCE.search(value) is None:
        return None
    remedy = "Write the value itself, or put it in single quotes if it is meant so"
    return LineFault(line, name, "has a ${…} in it, which is not replaced by another value", remedy)


def _unescaped(text: str, quote: str) -> str:
    return _ESCAPES[quote].sub(lambda found: codecs.decode(found[0], "unicode-escape"), text)
