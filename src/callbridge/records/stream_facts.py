"""The facts of one stream, each with its place in the time of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

_F = TypeVar("_F", bound="Fact")


@dataclass(frozen=True, slots=True)
class Timed:
    """A fact, and when it was noted."""

    at_ms: int
    """Since the call began."""
    fact: Fact


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Those of one stream, in order. There is at least one."""

    source: str
    offset_ms: int
    """What is to be added to times within its facts."""
    facts: tuple[Timed, ...]
    process: str
    """Which process noted them."""

    def first(self, kind: type[_F]) -> tuple[int, _F] | tuple[None, None]:
        """The first of a kind, and when it was noted."""
        for timed in self.facts:
            if isinstance(timed.fact, kind):
                return timed.at_ms, timed.fact
        return None, None

    def ms(self, at_ms: int) -> int:
        """A time within one of its facts, in the time of the call."""
        return max(at_ms + self.offset_ms, 0)
