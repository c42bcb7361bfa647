"""What is told of tests while they run. Types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing.call_data import CallData
    from callbridge.testing.scenarios.running import Ran


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one test."""

    name: str
    """As pytest has it: file, and what in it."""
    passed: bool
    skipped: bool = False
    text: str = ""
    """What went wrong, or why it was skipped."""
    took_s: float = 0.0
    ran: Ran | None = None
    """For a scenario."""
    calls: tuple[CallData, ...] = ()
    """For a test in Python: what it has played with `line`."""


class Listener(Protocol):
    """Is told while pytest runs."""

    def collected(self, names: Sequence[str]) -> None:
        """What will be run."""

    def unreadable(self, name: str, text: str) -> None:
        """A file could not be read."""

    def told(self, test: Told) -> None:
        """A test is over."""
