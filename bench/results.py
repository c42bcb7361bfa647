"""What is kept of a benchmark: the results page, and everything as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.bridges import BRIDGES
from bench.plan import Leg
from bench.summary import (
    Figures,
    Key,
    calls_per_core,
    cores_used,
    memory_per_call,
    ratios,
    summarize,
    system_us_per_frame,
    user_us_per_frame,
)
from bench.table import Grid, alone_grid, conditions_grid, figures_grid, ratios_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.machine import Machine
    from bench.plan import Pace
    from bench.report import Report
    from bench.run import Run


def grids(runs: Sequence[Run], ours: str = "callbridge") -> list[Grid]:
    """A table for each kind of model leg, and one of ratios where there is something to compare."""
    summary = summarize(runs)
    legs = [leg for leg in Leg if any(key.leg is leg for key in summary)]
    tables = [grid(summary, leg) for leg in legs for grid in (figures_grid, conditions_grid)]
    found = ratios(runs, ours)
    return [*tables, ratios_grid(found)] if found else tables


def page(runs: Sequence[Run], alone: Sequence[Report], machine: Machine, pace: Pace, repeats: int) -> str:
    """The results page, in Markdown; `alone` is what the generator did without a bridge."""
    names = dict.fromkeys(run.case.bridge.name for run in runs)
    lines = [
        "# Results of the benchmark",
        "",
        "Made by `python -m bench --write-results`. What is measured, and why it is fair, stands in",
        "[README.md](README.md).",
        "",
        *(f"- {line}" for line in machine.lines()),
        f"- {pace.in_words(repeats)}; medians over the repeats, but the",
        "  longest latency and the lost frames are those of all repeats",
        "",
        *(f"- **{name}**: {BRIDGES[name].what}" for name in names),
        "",
    ]
    tables = [*grids(runs), alone_grid(alone)]
    return "\n".join(lines) + "\n" + "\n".join(grid.for_page() for grid in tables)


def as_json(runs: Sequence[Run], machine: Machine, pace: Pace) -> bytes:
    """Everything: the figures of every case, the ratios, and every run with its histograms."""
    summary = summarize(runs)
    whole = {
        "machine": machine,
        "pace": pace,
        "cases": [figures for figures in summary.values() if isinstance(figures, Figures)],
        "failed_cases": [
            {"key": key, "reasons": reasons} for key, reasons in summary.items() if isinstance(reasons, tuple)
        ],
        "memory_per_call_bytes": [
            {"bridge": bridge, "leg": leg, "bytes": slope}
            for (bridge, leg), slope in memory_per_call(summary).items()
        ],
        "ratios": ratios(runs, "callbridge"),
        "runs": [_run(run) for run in runs],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=1)


def _run(run: Run) -> dict[str, object]:
    key = Key(run.case.bridge.name, run.case.leg, run.case.calls)
    found: dict[str, object] = {
        "key": key,
        "report": run.report,
        "idle": run.idle,
        "begin": run.begin,
        "end": run.end,
    }
    if run.is_complete:
        found |= {
            "calls_per_core": calls_per_core(run),
            "cores_used": cores_used(run),
            "user_us_per_frame": user_us_per_frame(run),
            "system_us_per_frame": system_us_per_frame(run),
        }
    return found
