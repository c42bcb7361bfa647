"""The guard of CI: a ratio, never a time."""

from __future__ import annotations

import pytest
from bench.errors import BenchError
from bench.guard import Bounds, judge
from made_up import failed_run, run

ANY_DENSITY, ANY_USER_TIME = 0.0, 100.0


def floor(calls_per_core: float) -> Bounds:
    return Bounds(ANY_USER_TIME, calls_per_core)


def test_a_ratio_of_user_time_at_the_ceiling_passes_and_one_above_does_not() -> None:
    """Although the whole is the same, because the kernel took less."""
    runs = [run(user_share=0.6), run("node", user_share=0.5)]
    assert judge(runs, Bounds(1.2 + 1e-9, ANY_DENSITY)).passes
    verdict = judge(runs, Bounds(1.19, ANY_DENSITY))
    assert not verdict.passes
    assert "takes 1.20 times the user time" in verdict.sentence
    assert "at most 1.19" in verdict.sentence


def test_a_ratio_of_calls_per_core_at_the_floor_passes_and_one_below_does_not() -> None:
    """One more system call per frame is not in the user time."""
    runs = [run(cores_used=0.2), run("node", cores_used=0.3)]
    assert judge(runs, floor(1.5 - 1e-9)).passes
    verdict = judge(runs, floor(1.51))
    assert not verdict.passes
    assert "carries 1.50 times" in verdict.sentence
    assert "at least 1.51" in verdict.sentence


def test_one_disturbed_round_does_not_decide() -> None:
    """Nor does a slow machine: each round has its own ratio."""
    runs = [
        *(run(cores_used=0.1), run("node", cores_used=0.2)),
        *(run(cores_used=0.9), run("node", cores_used=0.2)),
        *(run(cores_used=0.5), run("node", cores_used=1.0)),
    ]
    assert judge(runs, floor(1.9)).passes


def test_a_lost_frame_of_ours_fails_whatever_the_ratio() -> None:
    verdict = judge([run(lost=1, cores_used=0.1), run("node", cores_used=0.9)], floor(1.0))
    assert not verdict.passes
    assert "lost 1 frames" in verdict.sentence
    assert judge([run(cores_used=0.1), run("node", cores_used=0.2, lost=1)], floor(1.5)).passes, (
        "by the other"
    )


def test_a_run_that_failed_is_no_verdict() -> None:
    with pytest.raises(BenchError, match="node, plain, 50 calls: it closed"):
        judge([run(), failed_run("node", reason="it closed")], floor(1.0))


@pytest.mark.parametrize(
    "runs", [[run()], [run("node")], [run(), run("node"), run(calls=10), run("node", 10)]]
)
def test_there_must_be_exactly_one_pair_to_compare(runs: list[object]) -> None:
    with pytest.raises(BenchError, match="needs one case"):
        judge(runs, floor(1.0))  # type: ignore[arg-type]  # a list of runs in every example
