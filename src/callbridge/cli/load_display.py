"""Many simulated calls on a screen: how far they are while they last, and their sums."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rich.console import Console

    from callbridge.simulators.load import LoadReport, LoadState, Spread

EVERY_S: Final = 1.0
"""A line of progress; on a screen it replaces the one before."""


@asynccontextmanager
async def watching(state: LoadState, count: int, console: Console) -> AsyncIterator[None]:
    """Within it the progress is shown."""
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(_watch(state, count, console), name="progress")
        try:
            yield
        finally:
            watch.cancel()


async def _watch(state: LoadState, count: int, console: Console) -> None:
    with console.status("") as status:
        while True:
            words = (
                f"{state.placed} of {count} placed, {state.live} live, {state.over} over, "
                f"{state.heard} heard, {state.complained} with complaints"
            )
            if console.is_terminal:
                status.update(words)
            else:
                console.print(words)
            await asyncio.sleep(EVERY_S)


def shown(report: LoadReport, console: Console) -> None:
    """The sums, on a screen."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(report):
        table.add_row(f"[bold]{name}[/]", escape(value))
    console.print(table)
    for code in report.warnings:
        console.print(
            f"[red]{code.code}[/] {escape(code.meaning)}: in {code.calls} calls, {code.count} times; "
            f"{escape(code.example)}",
            soft_wrap=True,
        )
    for finding, calls in report.findings.items():
        console.print(f"[yellow]callers[/] {calls} times: {escape(finding)}", soft_wrap=True)
    if not report.is_own_pace_kept:
        console.print(
            "[red]This tool could not keep the pace of its own callers: the figures are none of the "
            "service's. Place fewer calls, or from more processes.[/]",
            soft_wrap=True,
        )
    elif report.is_good:
        console.print("[green]Nothing to complain about.[/]")


def _facts(report: LoadReport) -> Iterator[tuple[str, str]]:
    at_once = f"{report.at_once_max} at once"
    yield "calls", f"{report.calls} within {report.ramp_s:g} s, {at_once}, in {report.lasted_s:.1f} s"
    others = f"{report.declined} declined, {report.failed} failed"
    yield "answered", f"{report.answered}, agent heard in {report.heard}; {others}"
    yield "webhook", _told(report.webhook_ms)
    yield "greeting", _told(report.greeting_ms)
    yield "response", _told(report.response_ms)
    talked_on = f"; talked on in {report.talked_on}" if report.talked_on else ""
    yield "barge-in", _told(report.barge_in_ms) + talked_on
    if report.truncation_error_ms is not None:
        yield "truncation", f"{_told(report.truncation_error_ms)} off"
    yield "dead air", f"{report.dead_air} times; longest silence {report.longest_silence_ms / 1000:.1f} s"
    yield "ended by", ", ".join(f"{who} {calls}" for who, calls in report.ended_by.items())
    yield "own frames", f"late by {_told(report.own_late_ms)}"
    yield "own CPU", f"{report.own_cores:.2f} cores"


def _told(spread: Spread | None) -> str:
    if spread is None:
        return "not measured"
    parts = {"p50": spread.p50, "p95": spread.p95, "p99": spread.p99, "max": spread.max}
    told = ", ".join(f"{name} {value:g}" for name, value in parts.items() if value is not None)
    return f"{told} ms ({spread.count})"
