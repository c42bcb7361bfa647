"""Runs into figures."""

from __future__ import annotations

import pytest
from bench.plan import Leg
from bench.summary import Figures, Key, memory_per_call, ratios, summarize
from made_up import MB, failed_run, run

KEY = Key("callbridge", Leg.PLAIN, 50)


def only_figures(*runs: object) -> Figures:
    (found,) = summarize(runs).values()  # type: ignore[arg-type]  # the tests below pass runs alone
    assert isinstance(found, Figures)
    return found


class TestFigures:
    def test_calls_per_core_are_calls_over_cores_used(self) -> None:
        figures = only_figures(run(calls=50, cores_used=0.25))
        assert figures.calls_per_core == pytest.approx(200)
        assert figures.cores_used == pytest.approx(0.25)

    def test_a_frame_costs_the_time_of_a_core_over_all_frames_moved(self) -> None:
        figures = only_figures(run(calls=50, cores_used=0.3, user_share=0.25))
        assert figures.user_us_per_frame == pytest.approx(0.25 * 100)
        assert figures.system_us_per_frame == pytest.approx(0.75 * 100)

    def test_audio_that_does_not_arrive_is_not_carried(self) -> None:
        """A bridge that throws half of the audio away does not carry twice the calls."""
        figures = only_figures(run(calls=50, cores_used=0.25, lost=15_000))
        assert figures.calls_per_core == pytest.approx(100)
        assert figures.lost == 15_000

    def test_the_median_of_the_repeats_counts(self) -> None:
        figures = only_figures(*(run(cores_used=cores) for cores in (0.5, 0.1, 0.25)))
        assert figures.calls_per_core == pytest.approx(200)
        assert figures.calls_per_core_least == pytest.approx(100)
        assert figures.calls_per_core_most == pytest.approx(500)

    def test_latency_is_the_median_but_the_longest_of_all(self) -> None:
        figures = only_figures(*(run(latency_ms=ms) for ms in (1, 9, 2)))
        assert (figures.up.p50_ms, figures.up.p99_ms, figures.up.max_ms) == (2, 2, 9)

    def test_faults_are_summed_over_the_repeats(self) -> None:
        figures = only_figures(run(lost=2), run(lost=3, duplicated=1))
        assert (figures.lost, figures.out_of_order) == (5, 1)

    def test_late_audio_means_overload(self) -> None:
        assert not only_figures(run(latency_ms=99)).is_overloaded
        assert only_figures(run(latency_ms=101)).is_overloaded

    def test_a_failed_repeat_is_kept_beside_those_that_succeeded(self) -> None:
        figures = only_figures(run(), failed_run(reason="it closed"))
        assert (figures.repeats, figures.failures) == (1, ("it closed",))
        assert summarize([failed_run(reason="a"), failed_run(reason="b")]) == {KEY: ("a", "b")}


class TestRatios:
    def test_runs_that_lay_side_by_side_are_compared(self) -> None:
        """The machine was twice as slow in the second round; the ratio is that of each round."""
        runs = [
            *(run("callbridge", cores_used=0.1), run("node", cores_used=0.2)),
            *(run("callbridge", cores_used=0.2), run("node", cores_used=0.4)),
            *(run("callbridge", cores_used=0.1), run("node", cores_used=0.3)),
        ]
        (ratio,) = ratios(runs, "callbridge")
        assert (ratio.ours, ratio.theirs, ratio.calls) == ("callbridge", "node", 50)
        density = ratio.calls_per_core
        assert [density.median, density.least, density.most] == pytest.approx([2, 2, 3])

    def test_user_time_has_a_ratio_of_its_own(self) -> None:
        """The kernel's share is the same work for both, and hides what differs."""
        runs = [run(cores_used=0.2, user_share=0.3), run("node", cores_used=0.2, user_share=0.6)]
        (ratio,) = ratios(runs, "callbridge")
        assert ratio.user_time.median == pytest.approx(0.5)
        assert ratio.calls_per_core.median == pytest.approx(1)

    def test_a_bridge_too_quick_for_the_kernels_clock_does_not_break_the_table(self) -> None:
        (ratio,) = ratios([run(), run("relay", user_share=0.0)], "callbridge")
        assert ratio.user_time.median == float("inf")

    def test_every_case_and_bridge_has_a_ratio_of_its_own(self) -> None:
        names = ("callbridge", "node", "relay")
        runs = [run(name, calls, leg) for leg in Leg for calls in (10, 50) for name in names]
        found = ratios(runs, "callbridge")
        assert len(found) == 8
        assert {ratio.theirs for ratio in found} == {"node", "relay"}
        assert ratios([run("node"), run("relay")], "callbridge") == [], "nothing to compare with"

    def test_a_failed_run_takes_its_partner_with_it(self) -> None:
        runs = [
            *(failed_run("callbridge"), run("node", cores_used=0.1)),
            *(run(cores_used=0.1), run("node", cores_used=0.4)),
        ]
        (ratio,) = ratios(runs, "callbridge")
        assert ratio.calls_per_core.median == ratio.calls_per_core.least == pytest.approx(4)


class TestMemory:
    def test_a_call_holds_the_slope_between_fewest_and_most(self) -> None:
        summary = summarize([run(calls=10, rss=60 * MB), run(calls=110, rss=70 * MB)])
        assert memory_per_call(summary) == {("callbridge", Leg.PLAIN): 100_000}
        assert memory_per_call(summarize([run(calls=10)])) == {}, "one count has no slope"

    def test_the_queues_of_an_overloaded_bridge_do_not_count(self) -> None:
        runs = [run(calls=10, rss=60 * MB), run(calls=20, rss=61 * MB)]
        runs.append(run(calls=90, rss=500 * MB, latency_ms=900))
        assert memory_per_call(summarize(runs)) == {("callbridge", Leg.PLAIN): 100_000}

    def test_each_leg_has_a_slope_of_its_own(self) -> None:
        runs = [run(calls=calls, leg=leg, rss=calls * MB) for leg in Leg for calls in (10, 20)]
        assert memory_per_call(summarize(runs)) == {("callbridge", leg): MB for leg in Leg}
