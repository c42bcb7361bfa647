"""A file of figures that later runs are compared with: like with like, and no change that chance makes. Pure.

Unlike runs are not compared, whatever differs but the agent: another scenario, another number of runs,
another version. What is worse must be worse by a share *and* by so much: a fifth of 40 ms is nothing that
anybody hears. What was measured and is no more is worse than slow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.testing.scenarios.results import Likeness, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.testing.scenarios.results import Outcome

SHAPE: Final = 1
"""Of the file."""

WORSE_BY: Final = 0.2
"""More than this share is a change."""

WORSE_BY_AT_LEAST: Final = {
    "response_ms": 100,
    "barge_in_ms": 80,
    "duration_ms": 2_000,
    "microdollars": 1_000,
}
"""And more than so much. Nobody hears a difference of less in an answer; a call is some sentences longer."""

PASSES_FEWER_BY: Final = 0.05
"""Of all runs."""


class BaselineError(ValueError):
    """A baseline that cannot be used. The text says why, and what to do."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of one scenario."""

    likeness: Likeness
    passed: int
    unanswered: int
    spreads: dict[str, Spread]


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    shape: int = SHAPE
    scenarios: dict[str, Kept]


class Verdict(StrEnum):
    """What a comparison says."""

    SAME = "same"
    WORSE = "worse"
    UNLIKE = "not compared"
    NEW = "new"


class Comparison(msgspec.Struct, frozen=True):
    """One scenario and what is kept of it."""

    name: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def baseline_of(outcomes: Iterable[Outcome], before: Baseline | None = None) -> Baseline:
    """What later runs are to be compared with. What was not run this time stays as it is in `before`."""
    kept = {
        outcome.name: Kept(
            likeness=outcome.likeness,
            passed=outcome.passed,
            unanswered=outcome.unanswered,
            spreads=outcome.spreads(),
        )
        for outcome in outcomes
    }
    earlier = {} if before is None else before.scenarios
    return Baseline(scenarios=dict(sorted({**earlier, **kept}.items())))


def encode(baseline: Baseline) -> bytes:
    """The file, to be kept beside the code: readable, and the same for the same figures."""
    return msgspec.json.format(msgspec.json.encode(baseline, order="sorted"), indent=2) + b"\n"


def decode(content: bytes, name: str) -> Baseline:
    """The file back.

    Raises:
        BaselineError: it is none, or one of another version.
    """
    try:
        baseline = msgspec.json.decode(content, type=Baseline)
    except msgspec.DecodeError as error:
        raise BaselineError(f"{name} is no baseline: {error}; write it with --save-baseline") from error
    if baseline.shape != SHAPE:
        raise BaselineError(f"{name} is of another version ({baseline.shape}); write it with --save-baseline")
    return baseline


def compared(outcomes: Iterable[Outcome], baseline: Baseline) -> list[Comparison]:
    """Each outcome with what is kept of it."""
    return [_compared(outcome, baseline.scenarios.get(outcome.name)) for outcome in outcomes]


def _compared(outcome: Outcome, kept: Kept | None) -> Comparison:
    if kept is None:
        return Comparison(outcome.name, Verdict.NEW, ("it is not in the baseline",))
    if unlike := tuple(_unlike(kept.likeness, outcome.likeness)):
        return Comparison(outcome.name, Verdict.UNLIKE, unlike)
    worse = tuple(_worse(outcome, kept))
    return Comparison(outcome.name, Verdict.WORSE if worse else Verdict.SAME, worse)


def _unlike(then: Likeness, now: Likeness) -> Iterator[str]:
    for name in Likeness.__struct_fields__:
        before, after = getattr(then, name), getattr(now, name)
        if name == "agent" or before == after:
            continue
        if name == "scenario":
            yield "the scenario was changed"
        else:
            yield f"{name}: {before or 'nothing'} then, {after or 'nothing'} now"


def _worse(outcome: Outcome, kept: Kept) -> Iterator[str]:
    count = len(outcome.runs)
    if outcome.passed < kept.passed - PASSES_FEWER_BY * count:
        yield f"{outcome.passed} of {count} runs passed, {kept.passed} did"
    if outcome.unanswered > kept.unanswered:
        yield f"turns without an answer: {outcome.unanswered}, there were {kept.unanswered}"
    spreads = outcome.spreads()
    for name, then in kept.spreads.items():
        now = spreads.get(name)
        if now is None:
            yield f"{name} is not measured any more; it was {then.p50} (median)"
            continue
        yield from _worse_spread(name, then, now)


def _worse_spread(name: str, then: Spread, now: Spread) -> Iterator[str]:
    """The median, and the slow end as far as it is known of both."""
    least = WORSE_BY_AT_LEAST.get(name, 0)
    for which, before, after in (("median", then.p50, now.p50), ("p95", then.p95, now.p95)):
        if before is None or after is None:
            continue
        more = after - before
        if more > least and more > WORSE_BY * before:
            share = f" (+{more / before:.0%})" if before else ""
            yield f"{name}, {which}: {after}, it was {before}{share}"
