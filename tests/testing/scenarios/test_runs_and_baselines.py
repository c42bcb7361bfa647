"""What comes of many runs: shares that must pass, distributions, and what is worse than a baseline."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callbridge.testing.scenarios.baseline import (
    BaselineError,
    Verdict,
    baseline_of,
    compared,
    decode,
    encode,
)
from callbridge.testing.scenarios.results import Figures, Likeness, Outcome, Run, spread
from callbridge.testing.scenarios.telling import rate_line

LIKENESS = Likeness(
    scenario="a1", callbridge="1.0", python="3.11", clock="virtual", speech="synthetic", runs=20, agent="b1"
)


def outcome(
    failed: int = 0, *, of: int = 20, rate: float = 1.0, slower_ms: int = 0, **likeness: Any
) -> Outcome:
    """So many runs, with answers after 800, 801, … ms."""
    runs = tuple(
        Run(
            seed=seed,
            failures=(f"too slow\nseed {seed}",) if seed < failed else (),
            figures=Figures(response_ms=(800 + seed + slower_ms,), duration_ms=9_000),
        )
        for seed in range(of)
    )
    alike = msgspec.structs.replace(LIKENESS, **likeness)
    return Outcome(name="hours.call.toml::sunday", file="", line=1, rate=rate, runs=runs, likeness=alike)


@pytest.mark.parametrize(
    ("failed", "rate", "passes", "line"),
    [
        (0, 1.0, True, "20 of 20 runs passed"),
        (1, 1.0, False, "19 of 20 runs passed"),
        (1, 0.95, True, "19 of 20 runs passed; 19 must"),
        (2, 0.95, False, "18 of 20 runs passed; 19 must"),
    ],
)
def test_so_many_runs_must_pass(failed: int, rate: float, passes: bool, line: str) -> None:
    ran = outcome(failed, rate=rate)
    assert ran.has_passed is passes
    assert rate_line(ran) == line
    assert [failure.runs for failure in ran.failures()] == ([failed] if failed else [])


def test_a_share_is_no_matter_of_floats() -> None:
    assert 0.28 * 25 > 7, "as floats have it"
    assert outcome(18, of=25, rate=0.28).has_passed
    assert not outcome(19, of=25, rate=0.28).has_passed


def test_no_run_has_not_passed() -> None:
    assert not outcome(of=0).has_passed


def test_there_is_no_p95_of_fewer_than_twenty_values() -> None:
    few, enough = spread([*range(19)]), spread([*range(1, 21)])
    assert few is not None
    assert (few.p50, few.p95, few.max) == (9, None, 18)
    assert enough is not None
    assert (enough.min, enough.p50, enough.p95, enough.max) == (1, 10, 19, 20)
    assert spread([]) is None


# --- Baselines ----------------------------------------------------------------------------------------------

KEPT = decode(encode(baseline_of([outcome()])), "baseline.json")


def verdict(now: Outcome) -> tuple[Verdict, str]:
    (found,) = compared([now], KEPT)
    return found.verdict, "; ".join(found.reasons)


def test_another_agent_is_what_is_compared() -> None:
    assert verdict(outcome(agent="b2")) == (Verdict.SAME, "")


@pytest.mark.parametrize(
    "field", [name for name in Likeness.__struct_fields__ if name not in {"agent", "runs", "scenario"}]
)
def test_unlike_runs_are_not_compared(field: str) -> None:
    another: Any = {field: "another"}
    assert verdict(outcome(**another))[0] is Verdict.UNLIKE


def test_it_is_said_why_runs_are_unlike() -> None:
    assert verdict(outcome(scenario="a2")) == (Verdict.UNLIKE, "the scenario was changed")
    assert verdict(outcome(of=5, runs=5)) == (Verdict.UNLIKE, "runs: 20 then, 5 now")


def test_what_is_worse_is_so_by_a_share_and_by_so_much() -> None:
    assert verdict(outcome(slower_ms=150))[0] is Verdict.SAME, "below a fifth"
    worse, why = verdict(outcome(slower_ms=200))
    assert worse is Verdict.WORSE
    assert why.startswith("response_ms, median: 1009, it was 809 (+25%)")
    quick = baseline_of([outcome(slower_ms=-700)])
    (found,) = compared([outcome(slower_ms=-620)], quick)
    assert found.verdict is Verdict.SAME, "nobody hears 80 ms"


def test_fewer_runs_that_pass_are_worse() -> None:
    assert verdict(outcome(1))[0] is Verdict.SAME
    assert verdict(outcome(2)) == (Verdict.WORSE, "18 of 20 runs passed, 20 did")


def test_what_is_not_measured_any_more_is_worse_than_slow() -> None:
    silent = [msgspec.structs.replace(run, figures=Figures(unanswered=1)) for run in outcome().runs]
    worse, why = verdict(msgspec.structs.replace(outcome(), runs=tuple(silent)))
    assert worse is Verdict.WORSE
    assert "turns without an answer: 20, there were 0" in why
    assert "response_ms is not measured any more" in why


def test_what_is_new_is_said_and_what_was_not_run_is_kept() -> None:
    other = msgspec.structs.replace(outcome(), name="other")
    assert [found.verdict for found in compared([other], KEPT)] == [Verdict.NEW]
    assert baseline_of([other], KEPT).scenarios.keys() == {"hours.call.toml::sunday", "other"}


@pytest.mark.parametrize("content", [b"{}", b"[", b'{"shape": 99, "scenarios": {}}'])
def test_what_is_no_baseline_is_refused(content: bytes) -> None:
    with pytest.raises(BaselineError, match=r"baseline.json .*--save-baseline"):
        decode(content, "baseline.json")
