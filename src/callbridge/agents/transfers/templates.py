"""Briefings with names in braces: `"{name} calls about {reason}."`. A sentence of which a value is missing is
left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE_MAX: Final = 1000

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")  # noqa: RUF001 - the signs of Japanese
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


class TemplateFault(ValueError):  # noqa: N818  # Said of what somebody has written.
    """The text is no template. It says why."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with names of values. Made by `read`."""

    sentences: tuple[tuple[tuple[str, str], ...], ...]
    """Of each its parts: words, and the name of what follows them, or nothing."""

    @classmethod
    def read(cls, text: str) -> Template:
        """What was written.

        Raises:
            TemplateFault: it says nothing, is too long, or a brace is not closed or holds no name.
        """
        if not text.strip() or len(text) > TEMPLATE_MAX:
            raise TemplateFault(f"a briefing has words, and at most {TEMPLATE_MAX} characters")
        return cls(tuple(_parts(sentence) for sentence in _SENTENCE.split(text.strip()) if sentence))

    @property
    def names(self) -> frozenset[str]:
        """The values that it names."""
        return frozenset(name for sentence in self.sentences for _, name in sentence if name)

    def filled(self, values: Mapping[str, str]) -> str:
        """The sentences of which all values are there."""
        whole = (
            "".join(words + (values[name] if name else "") for words, name in sentence)
            for sentence in self.sentences
            if all(not name or values.get(name) for _, name in sentence)
        )
        return " ".join(whole)


def _parts(sentence: str) -> tuple[tuple[str, str], ...]:
    try:
        parts = list(Formatter().parse(sentence))
    except ValueError as error:
        raise TemplateFault(
            f"a brace is not closed in {sentence!r}; a brace itself is written twice"
        ) from error
    for _, name, form, conversion in parts:
        if name is not None and (form or conversion or not _NAME.fullmatch(name)):
            raise TemplateFault(f"{{{name}}} is no name of a value: write {{reason}}, or the name of a field")
    return tuple((words, name or "") for words, name, _, _ in parts)
