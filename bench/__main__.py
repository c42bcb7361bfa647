"""`python -m bench`: measures callbridge beside other bridges and prints what it found.

Exit codes: 0 measured (and the guard passed), 1 the guard did not pass, 2 a tool is missing or an option is
wrong, 3 it broke.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.bridges import BRIDGES
from bench.errors import BenchError
from bench.guard import DEFAULT_CEILING, DEFAULT_FLOOR, Bounds, judge
from bench.machine import this_machine
from bench.plan import Leg
from bench.process import allow_many_files, choose_cores
from bench.results import as_json, grids, page
from bench.run import Bench
from bench.summary import calls_per_core
from bench.table import alone_grid
from bench.toolchain import Toolchain, default_cache
from bench.wishes import GUARD, QUICK, WHOLE, WishError, Wishes

if TYPE_CHECKING:
    from rich.status import Status

    from bench.report import Report, Second
    from bench.run import Run

RESULTS = Path(__file__).with_name("results.md")

console = Console() if sys.stdout.isatty() else Console(width=150)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What becomes of the figures, beside the table."""

    json: Path | None
    writes_page: bool
    bounds: Bounds | None
    """The guard's; nothing where nothing is judged."""


def measure(
    bridges: Annotated[str | None, typer.Option(help=f"Some of {','.join(BRIDGES)}.")] = None,
    legs: Annotated[str | None, typer.Option(help="Model legs: plain,tls or one of them.")] = None,
    calls: Annotated[str | None, typer.Option(help="Numbers of calls: 10,50,250,1000.")] = None,
    repeats: Annotated[int | None, typer.Option(min=1, max=20, help="Runs of each case.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, max=120, help="Length of a window.")] = None,
    warm_up: Annotated[float | None, typer.Option(min=0, max=60, help="Seconds before it.")] = None,
    ramp: Annotated[float | None, typer.Option(min=1, max=500, help="Calls begun a second.")] = None,
    starts: Annotated[
        float | None, typer.Option(min=0, max=100, help="Extra calls a second that come and go meanwhile.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Each bridge once, in less than a minute.")] = False,
    guard: Annotated[
        bool,
        typer.Option("--guard", help="Judge the ratios to the Node.js relay; exit 1 outside the bounds."),
    ] = False,
    ceiling: Annotated[
        float, typer.Option(help="Guard: the most user time per frame, as a ratio.")
    ] = DEFAULT_CEILING,
    floor: Annotated[
        float, typer.Option(help="Guard: the fewest calls per core, as a ratio.")
    ] = DEFAULT_FLOOR,
    alone: Annotated[bool, typer.Option("--self", help="No bridge: what the generator can do.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write everything to this file.")] = None,
    write_results: Annotated[bool, typer.Option("--write-results", help="Write the results page.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Where builds are kept.")] = None,
) -> None:
    """Measure callbridge beside other bridges, on this machine, from outside."""
    base = GUARD if guard else QUICK if quick else WHOLE
    given = {
        "window_s": seconds,
        "warm_up_s": warm_up,
        "starts_per_s": ramp,
        "extra_starts_per_s": starts,
    }
    pace = replace(base.pace, **{name: value for name, value in given.items() if value is not None})
    base = replace(base, pace=pace, repeats=repeats or base.repeats)
    outputs = Outputs(json, write_results, Bounds(ceiling, floor) if guard else None)
    try:
        wishes = base.with_words(bridges=bridges, legs=legs, calls=calls)
        asyncio.run(_carry_out(wishes, outputs, cache or default_cache(), is_alone=alone))
    except WishError as error:
        raise typer.BadParameter(str(error)) from None
    except asyncio.CancelledError:  # By SIGTERM; all children are gone.
        raise typer.Exit(128 + signal.SIGTERM) from None
    except BenchError as error:
        console.print(f"[red]{type(error).__name__}:[/red] {error}", highlight=False)
        raise typer.Exit(error.exit_code) from None


async def _carry_out(wishes: Wishes, outputs: Outputs, cache: Path, *, is_alone: bool) -> None:
    # A terminated benchmark cleans up like an interrupted one.
    task = asyncio.current_task()
    assert task is not None, "runs inside asyncio.run"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    allow_many_files()
    cores = choose_cores()
    os.sched_setaffinity(0, cores.generator)
    toolchain = Toolchain(cache, with_tls=Leg.TLS in wishes.legs and not is_alone)
    console.print(f"{cores}{'; both on one core: nothing here is exact' if cores.are_shared else ''}")
    with console.status("building") as status:
        bench = Bench(toolchain, cores, wishes.pace, lambda second: _tell(status, second))
        if is_alone:
            reports = await _measure_generator(bench, wishes, status)
            console.print(alone_grid(reports).for_terminal())
            return
        # First: a generator that is too slow makes all that follows worthless.
        alone = await _measure_generator(bench, wishes, status) if outputs.writes_page else []
        runs = await _measure_bridges(bench, toolchain, wishes, status)
    _show(runs, alone, toolchain, wishes, outputs)


async def _measure_generator(bench: Bench, wishes: Wishes, status: Status) -> list[Report]:
    reports: list[Report] = []
    for count in wishes.calls:
        status.update(f"generator alone, {count} calls")
        reports.append(await bench.run_alone(count))
    return reports


async def _measure_bridges(bench: Bench, toolchain: Toolchain, wishes: Wishes, status: Status) -> list[Run]:
    toolchain.prepare(tool for bridge in wishes.bridges for tool in bridge.tools)
    runs: list[Run] = []
    for number, case in enumerate(wishes.cases, start=1):
        status.update(f"{number} of {len(wishes.cases)}: {case}")
        run = await bench.run(case)
        runs.append(run)
        outcome = f"{calls_per_core(run):,.0f} calls per core" if run.is_complete else run.report.reason
        console.print(f"{case}: {outcome}", highlight=False, markup=False)
    return runs


def _tell(status: Status, second: Second) -> None:
    text = str(status.status).partition(" · ")[0]
    status.update(
        f"{text} · {second.phase}, {second.calls_up} calls up, "
        f"p99 {second.up.p99_us / 1000:.1f} ms up, {second.down.p99_us / 1000:.1f} ms down"
    )


def _show(
    runs: list[Run], alone: list[Report], toolchain: Toolchain, wishes: Wishes, outputs: Outputs
) -> None:
    uses_node = any(bridge.name == "node" for bridge in wishes.bridges)
    machine = this_machine(toolchain.node if uses_node else None)
    for line in machine.lines():
        console.print(line, highlight=False)
    console.print(wishes.pace.in_words(wishes.repeats), highlight=False)
    for grid in grids(runs):
        console.print(grid.for_terminal())
    if outputs.json is not None:
        outputs.json.write_bytes(as_json(runs, machine, wishes.pace))
    if outputs.writes_page:
        text = page(runs, alone, machine, wishes.pace, wishes.repeats)
        RESULTS.write_text(text, encoding="utf-8")
    if outputs.bounds is not None:
        verdict = judge(runs, outputs.bounds)
        console.print(("guard passed: " if verdict.passes else "guard FAILED: ") + verdict.sentence)
        if not verdict.passes:
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(measure)
