"""Words and values as a terminal shows them: what it would obey is written out."""

from __future__ import annotations

from typing import Final

from callbridge.observe.redaction import escaped

VALUE_MAX: Final = 60


def quoted(words: str) -> str:
    """What somebody said."""
    return f"“{escaped(words)}”"


def short(value: object) -> str:
    """A value in one line, and not all of a long one."""
    text = escaped(str(value))
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"
