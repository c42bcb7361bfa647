"""Figures as tables."""

from __future__ import annotations

import io

from bench.plan import Leg
from bench.summary import Figures, ratios, summarize
from bench.table import NOTHING, Grid, alone_grid, conditions_grid, figures_grid, ratios_grid, remarks
from made_up import MB, failed_run, run
from rich.console import Console


def cells(grid: Grid, row: int) -> dict[str, str]:
    return dict(zip(grid.columns, grid.rows[row], strict=True))


class TestFiguresGrid:
    def test_a_row_tells_cost_latency_loss_and_memory(self) -> None:
        busy = run(calls=1010, rss=150 * MB, cores_used=1.0, latency_ms=1.25, lost=4)
        runs = [run(calls=10, rss=60 * MB), busy]
        row = cells(figures_grid(summarize(runs), Leg.PLAIN), 1)
        assert row["bridge"] == "callbridge"
        assert row["calls"] == "1,010"
        assert row["calls per core"] == "1,010"
        assert row["CPU µs per frame"] == "16.5"
        assert row["up p50 / p99 / max ms"] == "1.25 / 1.25 / 1.2"
        assert (row["frames lost"], row["KB per call"]) == ("4", "90")

    def test_a_case_that_failed_has_a_row_and_says_why(self) -> None:
        summary = summarize([failed_run("sample", reason="call 31 was not taken: timeout\nTraceback")])
        row = cells(figures_grid(summary, Leg.PLAIN), 0)
        assert (row["bridge"], row["calls per core"], row["frames lost"]) == ("sample", NOTHING, NOTHING)
        assert cells(conditions_grid(summary, Leg.PLAIN), 0)["remark"] == "call 31 was not taken: timeout"

    def test_bridges_with_the_same_number_of_calls_stand_together(self) -> None:
        runs = [run(name, calls) for name in ("callbridge", "node") for calls in (10, 50)]
        grid = figures_grid(summarize(runs), Leg.PLAIN)
        names = ("callbridge", "node")
        assert [row[:2] for row in grid.rows] == [(name, calls) for calls in ("10", "50") for name in names]

    def test_the_other_leg_has_a_table_of_its_own(self) -> None:
        summary = summarize([run(leg=Leg.TLS)])
        assert figures_grid(summary, Leg.PLAIN).rows == ()
        assert len(figures_grid(summary, Leg.TLS).rows) == 1


class TestRemarks:
    def test_all_that_went_wrong_is_told(self) -> None:
        (clean,) = summarize([run()]).values()
        assert isinstance(clean, Figures)
        assert remarks(clean) == []
        (figures,) = summarize([run(latency_ms=500, duplicated=2), failed_run(reason="it | closed")]).values()
        assert isinstance(figures, Figures)
        assert remarks(figures) == [
            "overloaded",
            "2 frames doubled, reordered or changed",
            "1 runs failed: it / closed",
        ]


class TestGrid:
    GRID = Grid("A title", ("name", "count", "why"), (("a", "1", "x"), ("b", "22", "")), frozenset({"why"}))

    def test_for_a_page_it_is_markdown_with_numbers_to_the_right(self) -> None:
        assert self.GRID.for_page() == (
            "### A title\n\n| name | count | why |\n| --- | --: | --- |\n| a | 1 | x |\n| b | 22 |  |\n"
        )

    def test_for_a_terminal_it_says_the_same(self) -> None:
        console = Console(file=io.StringIO(), width=80)
        with console.capture() as captured:
            console.print(self.GRID.for_terminal())
        text = captured.get()
        assert all(word in text for word in ("A title", "name", "count", "22"))


def test_ratios_stand_with_their_spread() -> None:
    runs = [
        *(run(cores_used=0.1), run("node", cores_used=0.2)),
        *(run(cores_used=0.1), run("node", cores_used=0.1)),
    ]
    (row,) = ratios_grid(ratios(runs, "callbridge")).rows
    assert row == ("callbridge / node", "plain", "50", "1.50", "1.00 to 2.00")


def test_the_generator_alone_is_told_by_its_health() -> None:
    row = cells(alone_grid([run(calls=50).report]), 0)
    assert (row["calls"], row["generator busy"], row["its p99 turn ms"]) == ("50", "10%", "0.02")
