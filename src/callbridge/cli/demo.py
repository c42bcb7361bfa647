"""`callbridge demo`: a whole call on this machine, without an account, shown as it happens."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from callbridge.call import facts
from callbridge.cli.demo_call import DemoReport, Watchers, demo_call
from callbridge.observe.logs import configure_logging
from callbridge.simulators.phone import events

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.simulators.phone import PhoneEvent
    from callbridge.simulators.voice_model import Journal, Note


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print only a report, as JSON.")] = False,
    save: Annotated[Path | None, typer.Option(help="Where to put the stereo recording.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the service's own log too.")] = False,
) -> None:
    """Play one simulated call through the whole service: about 30 seconds, no account needed."""
    configure_logging("INFO" if verbose else "WARNING")
    recording = save or Path(tempfile.mkdtemp(prefix="callbridge-")) / "demo.wav"
    console = Console(quiet=as_json, highlight=False)
    screen = _Screen(console)
    watchers = Watchers(screen.show_fact, screen.show_phone, screen.show_model)
    report = asyncio.run(demo_call(recording, watchers))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _show_summary(console, report)
    raise typer.Exit(0 if report.is_good else 1)


class _Screen:
    """Turns what happens into lines, each with the seconds since the call was placed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._placed_at = 0.0

    def show_phone(self, event: PhoneEvent) -> None:
        """What the caller notices."""
        match event:
            case events.CallPlaced(at, _, _, to_number):
                self._placed_at = at
                self._line("caller", f"dials {to_number}", at)
            case events.WebhookAnswered(at, url, status, took_ms):
                self._line("twilio", f"asked {url}: HTTP {status} in {took_ms:.0f} ms", at)
            case events.StreamStarted(at):
                self._line("twilio", "opened the media stream", at)
            case events.AgentAudioStarted(at):
                self._line("agent", "is heard", at)
            case events.AgentAudioStopped(at):
                self._line("agent", "is silent", at)
            case events.CallerSpeaking(at, is_interrupting):
                where = " into the agent's words" if is_interrupting else ""
                self._line("caller", f"speaks{where}", at)
            case events.Cleared(at, discarded_ms):
                self._line("twilio", f"threw {discarded_ms} ms of the agent's words away", at)
            case events.StreamEnded(at, code, by_whom):
                self._line("twilio", f"lost the media stream: code {code}, by the {by_whom}", at)
            case events.CallEnded(at, status):
                self._line("caller", f"the call is {status}", at)
            case _:
                pass

    def show_model(self, _journal: Journal, note: Note) -> None:
        """Who said what. The agent's text is ahead of its voice, as it is with the real model."""
        if note.kind == "caller_said":
            self._line("", f"  [cyan]“{note.text}”[/cyan]", note.at)
        elif note.kind == "agent_said":
            self._line("", f"  [green]“{note.text}”[/green]", note.at)

    def show_fact(self, fact: Fact) -> None:
        """What the service records."""
        now = asyncio.get_running_loop().time()
        match fact:
            case facts.AgentReady(model, after_ms):
                self._line("service", f"{model} is ready after {after_ms} ms", now)
            case facts.ToolUsed(name, duration_ms):
                self._line("service", f"ran the tool {name} in {duration_ms} ms", now)
            case facts.Interrupted(truncated):
                cuts = ", ".join(f"{item} after {ms} ms" for item, ms in truncated) or "nothing"
                self._line("service", f"[yellow]interrupted[/yellow]; the model's memory is cut: {cuts}", now)
            case facts.TurnEnded(number, _, _, int(response_ms)):
                self._line("service", f"turn {number}: answered after {response_ms} ms", now)
            case _:
                pass

    def _line(self, who: str, what: str, at: float) -> None:
        self._console.print(f"[dim]{max(at - self._placed_at, 0):5.1f} s[/dim]  [bold]{who:8}[/bold]{what}")


def _show_summary(console: Console, report: DemoReport) -> None:
    table = Table(title="What came of the call", show_header=False)
    table.add_row(
        "caller audio", f"{report.frames_from_caller} frames in, {report.frames_to_model} to the model"
    )
    table.add_row("agent audio", f"{report.audio_to_phone_ms} ms sent, {report.audio_heard_ms} ms heard")
    table.add_row("first sound after", f"{report.first_audio_ms} ms")
    table.add_row(
        "dialled ahead",
        f"first sound after {report.first_audio_with_predial_ms} ms, with CALLBRIDGE_PREDIAL=false after "
        f"{report.first_audio_without_predial_ms} ms (with handshakes that take half a second)",
    )
    for cut in report.interruptions:
        table.add_row(
            "interruption",
            f"model's memory cut at {cut.truncated_at_ms} ms, truly heard {cut.truly_heard_ms:.0f} ms, "
            f"agent silent after {cut.stop_ms} ms",
        )
    for name, faults in (
        ("carrier warnings", report.carrier_warnings),
        ("model errors", report.model_errors),
        ("problems", report.problems),
    ):
        table.add_row(name, "\n".join(faults) or "none")
    table.add_row("recording", f"{report.recording} (left: caller, right: what was heard)")
    console.print(table)
