"""What came of a scenario, in words: for a terminal, for JUnit, for the log of a build. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.testing.telling import timeline_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.testing.scenarios.results import Outcome, Spread
    from callbridge.testing.scenarios.running import Ran

_NAMES: Final = {
    "response_ms": ("answer after", "ms"),
    "barge_in_ms": ("silent after", "ms"),
    "duration_ms": ("call lasted", "ms"),
    "microdollars": ("cost", "µ$"),
}
"""Of each measure: what it is, and its unit."""


def failure_text(ran: Ran) -> str:
    """What went wrong, how often, and the call that shows it."""
    outcome = ran.outcome
    lines = list(_failures(outcome))
    if len(outcome.runs) > 1:
        lines = [f"{rate_line(outcome)}.", *lines, *spread_lines(outcome)]
    if ran.shown is not None:
        first = outcome.first_failed
        seed = "" if first is None or len(outcome.runs) == 1 else f"Seed {first.seed}: "
        lines += ["", seed + timeline_of(ran.shown)]
    return "\n".join(lines)


def rate_line(outcome: Outcome) -> str:
    """`17 of 20 runs passed; 19 must`."""
    count = len(outcome.runs)
    wanted = "" if outcome.must_pass == count else f"; {outcome.must_pass} must"
    return f"{outcome.passed} of {count} runs passed{wanted}"


def _failures(outcome: Outcome) -> Iterator[str]:
    count = len(outcome.runs)
    for failure in outcome.failures():
        yield failure.text if count == 1 else f"In {failure.runs} of {count} runs: {failure.text}"


def spread_lines(outcome: Outcome) -> list[str]:
    """How what was measured lies over all runs."""
    lines = [spread_line(name, spread) for name, spread in outcome.spreads().items()]
    return lines + ([f"turns without an answer: {outcome.unanswered}"] if outcome.unanswered else [])


def spread_line(name: str, spread: Spread) -> str:
    """`answer after 620 … 640 (median) … 900 ms, p95 880 ms, of 40`."""
    what, unit = _NAMES.get(name, (name, ""))
    p95 = "" if spread.p95 is None else f", p95 {spread.p95:,} {unit}"
    return f"{what} {spread.min:,} … {spread.p50:,} (median) … {spread.max:,} {unit}{p95}, of {spread.count}"
