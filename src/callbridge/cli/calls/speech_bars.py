"""Who spoke when, drawn in one line of characters for each side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.records.story import Span

_LEVELS: Final = "▁▂▄▆█"
_PLAIN_LEVELS: Final = "_.:+#"
"""For terminals that have no blocks."""


def bar(spans: Iterable[Span], whole_ms: int, width: int, *, is_plain: bool = False) -> str:
    """`width` characters, each as high as somebody spoke in its part of the time.

    Args:
        spans: when somebody spoke, in order and without overlaps.
        whole_ms: what the line stands for.
        width: how many characters it has.
        is_plain: of ASCII alone.
    """
    shares = [0.0] * width
    each_ms = max(whole_ms, 1) / width
    for span in spans:
        first, last = int(span.began_ms / each_ms), int(span.ended_ms / each_ms)
        for cell in range(max(first, 0), min(last, width - 1) + 1):
            began, ended = max(span.began_ms, cell * each_ms), min(span.ended_ms, (cell + 1) * each_ms)
            shares[cell] += max(ended - began, 0) / each_ms
    levels = _PLAIN_LEVELS if is_plain else _LEVELS
    return "".join(levels[_level(share)] for share in shares)


def _level(share: float) -> int:
    """However short it was, speech is seen."""
    return 0 if share <= 0 else min(4, 1 + int(share * 3.99))


def marks(places: Iterable[tuple[int, str]], whole_ms: int, width: int) -> str:
    """`width` characters with a mark at each place in time; one that has no room is left out."""
    line = [" "] * width
    free_from = 0
    for at_ms, mark in sorted(places):
        cell = min(int(at_ms / max(whole_ms, 1) * width), width - len(mark))
        if cell >= free_from:
            line[cell : cell + len(mark)] = mark
            free_from = cell + len(mark) + 1
    return "".join(line)
