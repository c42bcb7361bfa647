"""The guard for CI: a gross regression, seen as ratios to the Node.js relay in the same run. Pure.

Never an absolute time: CI machines differ by more than any regression. A slow machine is slow for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.summary import ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run import Run
    from bench.summary import Spread

OURS, THEIRS = "callbridge", "node"
DEFAULT_CEILING = 1.3
"""Above the 0.8 to 1.1 that are reached with 250 calls: the more, the busier the machine is otherwise."""
DEFAULT_FLOOR = 0.8
"""Below the 1.1 to 1.4 that are reached there. Without the fast lane it is 0.5."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the guard lets pass, as ratios of ours to the Node.js relay's."""

    user_time_most: float
    """User time per frame. Of the whole the kernel has the larger share, beside which half as much again of
    work in Python would hardly show."""
    calls_per_core_least: float
    """For what `user_time_most` does not see: one system call more per frame."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the guard lets a change pass, and the sentence that says why."""

    passes: bool
    sentence: str


def judge(runs: Sequence[Run], bounds: Bounds) -> Verdict:
    """Compares the median ratios with `bounds`.

    Raises:
        BenchError: there is nothing to compare, because one of the two did not carry the calls.
    """
    for run in runs:
        if not run.is_complete:
            raise BenchError(f"the guard cannot judge: {run.case}: {run.report.reason}")
    found = [ratio for ratio in ratios(runs, OURS) if ratio.theirs == THEIRS]
    if len(found) != 1:
        raise BenchError(f"the guard needs one case of {OURS} and of {THEIRS}, there are {len(found)}")
    lost = sum(run.report.up.lost + run.report.down.lost for run in runs if run.case.bridge.name == OURS)
    if lost:
        return Verdict(False, f"{OURS} lost {lost} frames of audio; it must lose none")
    user_time, density = found[0].user_time, found[0].calls_per_core
    sentence = (
        f"{OURS} takes {user_time.median:.2f} times the user time per frame of the Node.js relay "
        f"({_in_words(user_time)}; at most {bounds.user_time_most:.2f}) "
        f"and carries {density.median:.2f} times its calls per core "
        f"({_in_words(density)}; at least {bounds.calls_per_core_least:.2f})"
    )
    passes = user_time.median <= bounds.user_time_most and density.median >= bounds.calls_per_core_least
    return Verdict(passes, sentence)


def _in_words(spread: Spread) -> str:
    return f"{spread.least:.2f} to {spread.most:.2f}"
