"""`callbridge demo`: a whole call on this machine, without an account, shown as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from callbridge.cli.demo_call import CALLER_SAYS, DemoReport, Watchers, demo_call
from callbridge.cli.demo_screen import Screen
from callbridge.cli.output_files import to_be_written
from callbridge.observe.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print only a report, as JSON.")] = False,
    save: Annotated[
        Path | None, typer.Option(callback=to_be_written, help="Where to put the stereo recording.")
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Show the call in a browser as well, until Ctrl-C.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="With --page: print where it is, and open nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the service's own log too.")] = False,
) -> None:
    """Play one simulated call through the whole service: about 30 seconds, no account needed."""
    if page and as_json:
        raise typer.BadParameter("--json prints a report and ends; --page stays.")
    configure_logging("INFO" if verbose else "WARNING")
    recording = save or Path(tempfile.mkdtemp(prefix="callbridge-")) / "demo.wav"
    console = Console(quiet=as_json, highlight=False)
    screen = Screen(console, CALLER_SAYS)
    watchers = Watchers(screen.show_fact, screen.show_phone, screen.show_model)
    if page:
        with contextlib.suppress(KeyboardInterrupt):  # So it is meant to end.
            asyncio.run(_shown_in_a_page(recording, watchers, console, screen, opens_browser=not no_browser))
        return
    report = asyncio.run(demo_call(recording, watchers))
    screen.finish()
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _show_summary(console, report)
    raise typer.Exit(0 if report.is_good else 1)


async def _shown_in_a_page(
    recording: Path, watchers: Watchers, console: Console, screen: Screen, *, opens_browser: bool
) -> None:
    from callbridge.cli.demo_page import DemoPage  # noqa: PLC0415 - the demo without it begins sooner

    async with DemoPage(recording, opens_browser=opens_browser, say=console.print) as page:
        report = await demo_call(recording, replace(watchers, on_service=page.show))
        screen.finish()
        _show_summary(console, report)
        console.print("The page stays until Ctrl-C.")
        await asyncio.Event().wait()


def _show_summary(console: Console, report: DemoReport) -> None:
    table = Table(title="What came of the call", show_header=False, title_justify="left")
    for row in _rows(report):
        table.add_row(*row)
    console.print(table)
    console.print(
        f"Listen to it: {report.recording}\n"
        "Begin a project of your own, with an agent and a test of it: [bold]callbridge init bakery[/]\n"
        "Talk to it in the browser, without a number: [bold]cd bakery && callbridge dev[/]\n"
        "Read on: README.md, Write an agent. Give it a number: fill in .env, then [bold]callbridge check[/].",
        soft_wrap=True,
    )


def _rows(report: DemoReport) -> Iterator[tuple[str, str]]:
    yield "caller audio", f"{report.frames_from_caller} frames in, {report.frames_to_model} to the model"
    yield "agent audio", f"{report.audio_to_phone_ms} ms sent, {report.audio_heard_ms} ms heard"
    yield "first sound", f"{report.first_audio_ms} ms after dialling, on this machine"
    ahead, after = report.first_audio_with_predial_ms, report.first_audio_without_predial_ms
    connecting = "if Twilio and the model take half a second each to connect"
    yield "in real life", f"{ahead} ms, {connecting} (CALLBRIDGE_PREDIAL=false: {after} ms)"
    for cut in report.interruptions:
        memory = f"model's memory cut at {cut.truncated_at_ms} ms, truly heard {cut.truly_heard_ms:.0f} ms"
        yield "interruption", f"{memory}, agent silent after {cut.stop_ms} ms"
    for tool in report.tools:
        yield "tool", f"{tool.name}: {tool.outcome} in {tool.duration_ms} ms"
    for name, faults in (
        ("carrier warnings", report.carrier_warnings),
        ("model errors", report.model_errors),
        ("problems", report.problems),
    ):
        yield name, "\n".join(faults) or "none"
    yield "recording", "left: caller, right: what was heard"
