"""The time of a state's tests, and what stands in its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = 1_800_000_000.0


class Clock:
    """A wall clock that tests set."""

    now = BEGAN

    def __call__(self) -> float:
        return self.now


def text_in(folder: Path) -> bytes:
    """The bytes of all files."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
