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
    from callbridge.call.machine import Call
    from callbridge.simulators.phone import PhoneEvent


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print only a report, as JSON.")] = False,
    save: Annotated[Path | None, typer.Option(help="Where to put the stereo recording.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the service's own log too.")] = False,
) -> None:
    """Play one simulated call through the whole service: about 40 seconds, no account needed."""
    configure_logging("INFO" if verbose else "WARNING")
    recording = save or Path(tempfile.mkdtemp(prefix="callbridge-")) / "demo.wav"
    console = Console(quiet=as_json, highlight=False)
    screen = _Screen(console)
    report = asyncio.run(demo_call(recording, Watchers(screen.show_fact, screen.show_phone)))
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
        self._now = 0.0

    def show_phone(self, event: PhoneEvent) -> None:
        """What the caller notices."""
        self._now = event.at
        match event:
            case events.CallPlaced():
                self._placed_at = event.at
                self._line("caller", f"dials {event.to_number}")
            case events.WebhookAnswered():
                self._line("twilio", f"asked {event.url}: HTTP {event.status} in {event.took_ms:.0f} ms")
            case events.StreamStarted():
                self._line("twilio", "the media stream is open")
            case events.AgentAudioStarted():
                self._line("agent", "speaks")
            case events.CallerSpeaking():
                self._line("caller", "speaks into the agent's words" if event.is_interrupting else "speaks")
            case events.Cleared():
                self._line("twilio", f"clear: {event.discarded_ms} ms of the agent's words thrown away")
            case events.Complained():
                self._line("twilio", f"[red]{event.code}[/red] {event.detail}")
            case events.StreamEnded():
                self._line("twilio", f"the media stream ended, code {event.code}, by the {event.by_whom}")
            case events.CallEnded():
                self._line("caller", f"the call is {event.status}")
            case _:
                pass

    def show_fact(self, _call: Call, fact: Fact) -> None:
        """What the service records."""
        match fact:
            case facts.AgentReady():
                self._line("model", f"{fact.model} is ready after {fact.after_ms} ms")
            case facts.ToolUsed():
                self._line("agent", f"used the tool {fact.name} ({fact.duration_ms} ms)")
            case facts.Interrupted():
                cuts = ", ".join(f"{item} at {ms} ms" for item, ms in fact.truncated) or "nothing"
                self._line("model", f"told to forget what was not heard: cut {cuts}")
            case facts.TurnEnded():
                self._show_turn(fact)
            case _:
                pass

    def _show_turn(self, turn: facts.TurnEnded) -> None:
        latency = f" [dim](after {turn.response_ms} ms)[/dim]" if turn.response_ms is not None else ""
        if turn.caller:
            self._line("", f"  [cyan]“{turn.caller}”[/cyan]")
        self._line("", f"  [green]“{turn.agent}”[/green]{latency}")

    def _line(self, who: str, what: str) -> None:
        self._console.print(
            f"[dim]{max(self._now - self._placed_at, 0):5.1f} s[/dim]  [bold]{who:7}[/bold]{what}"
        )


def _show_summary(console: Console, report: DemoReport) -> None:
    table = Table(title="What came of the call", show_header=False)
    table.add_row(
        "caller audio", f"{report.frames_from_caller} frames in, {report.frames_to_model} to the model"
    )
    table.add_row("agent audio", f"{report.audio_to_phone_ms} ms sent, {report.audio_heard_ms} ms heard")
    table.add_row("first sound after", f"{report.first_audio_ms} ms")
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
