"""Figures as tables: for the terminal and, in the same words, for the results page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from bench.summary import Figures, Latency, Summary, memory_per_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.plan import Leg
    from bench.report import Report
    from bench.summary import Key, Ratio, Spread

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table without a look. The first column is text, the others are numbers unless named in `words`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()

    def for_terminal(self) -> Table:
        """For a rich console."""
        table = Table(title=self.title, title_justify="left")
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="right" if self._is_number(index) else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def for_page(self) -> str:
        """As Markdown."""
        rule = ("--:" if self._is_number(index) else "---" for index in range(len(self.columns)))
        lines = [self.columns, tuple(rule), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{body}\n"

    def _is_number(self, index: int) -> bool:
        return index > 0 and self.columns[index] not in self.words


def figures_grid(summary: Summary, leg: Leg) -> Grid:
    """What all bridges cost and add with this kind of model leg."""
    memory = memory_per_call(summary)
    return Grid(
        title=f"Model leg {leg}",
        columns=(
            *("bridge", "calls", "calls per core", "user µs per frame", "system µs per frame"),
            *("up p50 / p99 / max ms", "down p50 / p99 / max ms", "frames lost", "KB per call"),
        ),
        rows=tuple(
            (
                key.bridge,
                f"{key.calls:,}",
                *(_figures_cells(figures) if isinstance(figures, Figures) else [NOTHING] * 6),
                _kilobytes(memory.get((key.bridge, leg))),
            )
            for key, figures in _with_leg(summary, leg)
        ),
    )


def _figures_cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.calls_per_core:,.0f}",
        f"{figures.user_us_per_frame:.1f}",
        f"{figures.system_us_per_frame:.1f}",
        _latency(figures.up),
        _latency(figures.down),
        f"{figures.lost:,}",
    )


def conditions_grid(summary: Summary, leg: Leg) -> Grid:
    """What a reader must know before believing the figures."""
    return Grid(
        title=f"Under what conditions, model leg {leg}",
        columns=(
            *("bridge", "calls", "calls per core, least to most", "cores used", "set-up p50 / max ms"),
            *("frames lost before", "generator busy", "its lateness p99 ms", "remark"),
        ),
        rows=tuple(
            (
                key.bridge,
                f"{key.calls:,}",
                *(_conditions(found) if isinstance(found, Figures) else [NOTHING] * 6),
                "; ".join(remarks(found)) if isinstance(found, Figures) else _one_line(found[0]),
            )
            for key, found in _with_leg(summary, leg)
        ),
        words=frozenset({"remark"}),
    )


def _conditions(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.calls_per_core_least:,.0f} to {figures.calls_per_core_most:,.0f}",
        f"{figures.cores_used:.2f}",
        f"{figures.set_up_p50_ms:.0f} / {figures.set_up_max_ms:.0f}",
        f"{figures.lost_before:,}",
        f"{figures.generator_busy:.0%}",
        f"{figures.generator_late_p99_ms:.2f}",
    )


def _with_leg(summary: Summary, leg: Leg) -> list[tuple[Key, Figures | tuple[str, ...]]]:
    """The cases with this leg, those with equally many calls together."""
    found = [(key, figures) for key, figures in summary.items() if key.leg is leg]
    return sorted(found, key=lambda case: case[0].calls)


def _kilobytes(size: float | None) -> str:
    return NOTHING if size is None else f"{size / 1000:.0f}"


def _latency(latency: Latency) -> str:
    return f"{latency.p50_ms:.2f} / {latency.p99_ms:.2f} / {latency.max_ms:.1f}"


def remarks(figures: Figures) -> list[str]:
    """What went wrong."""
    found = []
    if figures.is_overloaded:
        found.append("overloaded")
    if figures.calls_lost:
        found.append(f"{figures.calls_lost} calls lost")
    if figures.out_of_order:
        found.append(f"{figures.out_of_order} frames doubled, reordered or changed")
    if figures.failures:
        found.append(f"{len(figures.failures)} runs failed: {_one_line(figures.failures[0])}")
    return found


def _one_line(reason: str) -> str:
    first = reason.strip().partition("\n")[0]
    return first.replace("|", "/") or "no reason was given"


def ratios_grid(ratios: Sequence[Ratio]) -> Grid:
    """How ours compares with the others."""
    rows = tuple(
        (
            f"{ratio.ours} / {ratio.theirs}",
            ratio.leg,
            f"{ratio.calls:,}",
            *_spread(ratio.calls_per_core),
            *_spread(ratio.user_time),
        )
        for ratio in ratios
    )
    columns = (
        *("bridges", "model leg", "calls"),
        *("calls per core", "least to most", "user µs per frame", "from least to most"),
    )
    return Grid("Ratios", columns, rows, words=frozenset({"model leg"}))


def _spread(spread: Spread) -> tuple[str, str]:
    return f"{spread.median:.2f}", f"{spread.least:.2f} to {spread.most:.2f}"


def alone_grid(reports: Sequence[Report]) -> Grid:
    """What the generator can do when nothing stands between its two ends."""
    return Grid(
        title="The generator alone: both ends, no bridge",
        columns=(
            *("", "calls", "up p50 / p99 / max ms", "down p50 / p99 / max ms", "lost"),
            *("generator busy", "its p99 lateness ms", "its p99 turn ms", "remark"),
        ),
        rows=tuple(_alone_row(report) for report in reports),
        words=frozenset({"remark"}),
    )


def _alone_row(report: Report) -> tuple[str, ...]:
    health = report.generator
    ways = [way.latency for way in (report.up, report.down)]
    return (
        "generator",
        f"{report.calls:,}",
        *(_latency(Latency(way.at(0.5), way.at(0.99), way.max_ms)) for way in ways),
        f"{report.up.lost + report.down.lost:,}",
        f"{health.cpu_s / report.window_s:.0%}",
        f"{health.lateness.at(0.99):.2f}",
        f"{health.turn.at(0.99):.2f}",
        report.reason,
    )
