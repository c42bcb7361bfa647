"""The guard for CI: a gross regression, seen as a ratio to the Node.js relay in the same run. Pure.

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

OURS, THEIRS = "callbridge", "node"
DEFAULT_FLOOR = 0.8
"""Below the 1.1 to 1.9 that are reached with 50 calls on machines shared with others. Without the fast lane
it is 0.5."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the guard lets a change pass, and the sentence that says why."""

    passes: bool
    sentence: str


def judge(runs: Sequence[Run], floor: float) -> Verdict:
    """Compares the median ratio with `floor`.

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
    ratio = found[0]
    sentence = (
        f"{OURS} carries {ratio.median:.2f} times the calls per core of the Node.js relay "
        f"(least {ratio.least:.2f}, most {ratio.most:.2f}); the floor is {floor:.2f}"
    )
    return Verdict(ratio.median >= floor, sentence)
