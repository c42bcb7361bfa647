"""What came of scenarios: each run, the distribution of all runs, and whether so many had to pass. Pure.

A run that failed is never tried again: what is wanted is how often it passes. What was not measured is None,
and never 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

P95_VALUES_MIN: Final = 20
"""Of fewer values nobody knows the twentieth part: there is no p95."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in one call."""

    response_ms: tuple[int, ...] = ()
    """How long the caller waited for each answer that they heard."""
    unanswered: int = 0
    """Turns of the caller without an answer that was heard."""
    barge_in_ms: tuple[int, ...] = ()
    """From the first sound of each interruption to the agent's silence."""
    duration_ms: int | None = None
    microdollars: int | None = None
    """Of the simulated prices: what such a call would cost."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a scenario."""

    seed: int
    failures: tuple[str, ...] = ()
    """What was wrong, in words; none: it passed."""
    figures: Figures = Figures()
    took_s: float = 0.0
    """Of real time."""
    judgement: str = ""
    """What a judge said, with the reasons."""

    @property
    def has_passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.failures


class Failure(msgspec.Struct, frozen=True):
    """Something that was wrong."""

    text: str
    """As the first run tells it."""
    runs: int
    """In how many it was."""


class Spread(msgspec.Struct, frozen=True):
    """How the values of one measure lie."""

    count: int
    min: int
    p50: int
    p95: int | None
    """None of fewer than 20 values."""
    max: int


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """What was run. Two runs may be compared when all of it is the same but the agent."""

    scenario: str
    """A digest of what is written down, with its audio."""
    callbridge: str
    """The version, with a digest of its code."""
    python: str
    clock: str
    """`virtual`, or `real` with the machine: there it is part of what is measured."""
    speech: str = ""
    """What speaks the texts."""
    runs: int
    agent: str
    """A digest of the agent's own code: what is compared."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one scenario."""

    name: str
    """The file and the call in it, as pytest names them."""
    file: str
    line: int
    tags: tuple[str, ...] = ()
    rate: float = 1.0
    """Of the runs so many must pass."""
    runs: tuple[Run, ...]
    likeness: Likeness

    @property
    def passed(self) -> int:
        """How many runs did."""
        return sum(run.has_passed for run in self.runs)

    @property
    def has_passed(self) -> bool:
        """Whether enough of them did."""
        return bool(self.runs) and self.passed >= self.must_pass

    @property
    def must_pass(self) -> int:
        """So many runs are enough. 0.28 of 25 are 7, whatever floats make of it."""
        return math.ceil(round(self.rate * len(self.runs), 6))

    @property
    def took_s(self) -> float:
        """Of real time, all runs together."""
        return sum(run.took_s for run in self.runs)

    @property
    def first_failed(self) -> Run | None:
        """The run that shows what is wrong."""
        return next((run for run in self.runs if not run.has_passed), None)

    def spreads(self) -> dict[str, Spread]:
        """By name, of what was measured at all."""
        figures = [run.figures for run in self.runs]
        values = {
            "response_ms": [value for one in figures for value in one.response_ms],
            "barge_in_ms": [value for one in figures for value in one.barge_in_ms],
            "duration_ms": _known(one.duration_ms for one in figures),
            "microdollars": _known(one.microdollars for one in figures),
        }
        return {name: found for name, of in values.items() if (found := spread(of)) is not None}

    @property
    def unanswered(self) -> int:
        """Turns of the caller without an answer, in all runs."""
        return sum(run.figures.unanswered for run in self.runs)

    def failures(self) -> list[Failure]:
        """What was wrong, in how many runs, the most frequent first. Runs differ in what stands below."""
        found: dict[str, Failure] = {}
        for run in self.runs:
            for text in {text.partition("\n")[0]: text for text in run.failures}.values():
                line = text.partition("\n")[0]
                first = found.get(line, Failure(text, 0))
                found[line] = Failure(first.text, first.runs + 1)
        return sorted(found.values(), key=lambda failure: -failure.runs)


def spread(values: Sequence[int]) -> Spread | None:
    """Of these values; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    p95 = _nearest(ordered, 95) if len(ordered) >= P95_VALUES_MIN else None
    return Spread(len(ordered), ordered[0], _nearest(ordered, 50), p95, ordered[-1])


def _nearest(ordered: Sequence[int], percent: int) -> int:
    """The value at this rank: one that was measured."""
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


def _known(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]
