"""`callbridge simulate call`: place one simulated phone call and say in plain words what came of it.

Reads the command line, shows, and sets the exit status. The call itself is `simulators.phone`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from callbridge.cli.output_files import to_be_written
from callbridge.server.config.settings import find_variables
from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    FROM_NUMBER,
    TO_NUMBER,
    Caller,
    CallerScript,
    CallReport,
    CallSettings,
    Departure,
    Exchange,
    Interrupt,
    Network,
    Pause,
    Person,
    PhoneEvent,
    Press,
    Say,
    Step,
    StreamSettings,
    Surrounded,
    WaitForAgent,
    events,
    place_call,
)
from callbridge.simulators.phone.plan import Plan, PlanError, load_plan, speech_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = "The call"
NETWORK = "The network"
OUTPUT = "Output"


# --- Options: what each one means, so that the command below reads as one piece ---------------

Url = Annotated[str, typer.Argument(help="The voice webhook, as entered at Twilio.")]
SaySpeech = Annotated[
    list[str] | None,
    typer.Option(
        "--say",
        metavar="SPEECH",
        help="Speech file (.wav, .ulaw), or words if espeak-ng is installed. Repeatable; each is "
        "said when the agent has been heard and has gone quiet.",
    ),
]
PauseSeconds = Annotated[float, typer.Option("--pause", min=0, help="Seconds to hesitate before each --say.")]
InterruptWith = Annotated[
    list[str] | None,
    typer.Option(
        "--interrupt",
        metavar="MS:SPEECH",
        help="After the last --say, speak into the answer once MS milliseconds were heard.",
    ),
]
PressKeys = Annotated[str | None, typer.Option("--press", help="Keys to press after everything was said.")]
HangUpAfter = Annotated[float | None, typer.Option(min=0, help="Hang up at this second of the stream.")]
VanishAfter = Annotated[
    float | None,
    typer.Option(min=0, help="Cut the connection without closing it at this second."),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(help="TOML file with the script, the caller and their surroundings, instead of the above."),
]
FromNumber = Annotated[
    str | None,
    typer.Option("--from", rich_help_panel=CALL, help=f"The caller's number; {FROM_NUMBER} by default."),
]
ToNumber = Annotated[
    str | None,
    typer.Option("--to", rich_help_panel=CALL, help=f"The number that is called; {TO_NUMBER} by default."),
]
VerbTime = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        rich_help_panel=CALL,
        help="How much of the time of Say, Pause, Dial and the like is waited for; the report counts it all.",
    ),
]
AccountSid = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=CALL,
        help="By default TWILIO_ACCOUNT_SID, of the environment or .env as the service's.",
    ),
]
AuthToken = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=CALL,
        help="Signs the requests; the service must know the same. By default TWILIO_AUTH_TOKEN, found alike.",
    ),
]
MaxCall = Annotated[
    float, typer.Option(min=1, rich_help_panel=CALL, help="Hang up at the latest, in seconds.")
]
Clips = Annotated[
    list[str] | None,
    typer.Option(
        "--clip",
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="A sound that the bridge plays of its own: the report tells it from the agent. Repeatable.",
    ),
]
DelayMs = Annotated[float, typer.Option(min=0, rich_help_panel=NETWORK, help="Delay each way.")]
JitterMs = Annotated[float, typer.Option(min=0, rich_help_panel=NETWORK, help="Random delay on top of it.")]
Seed = Annotated[int, typer.Option(rich_help_panel=NETWORK, help="Of the jitter.")]
Save = Annotated[
    Path | None,
    typer.Option(
        callback=to_be_written, rich_help_panel=OUTPUT, help="Stereo WAV: caller left, heard agent right."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print only a JSON report.")]


def simulate_call(
    url: Url,
    say: SaySpeech = None,
    pause: PauseSeconds = 0.0,
    interrupt: InterruptWith = None,
    press: PressKeys = None,
    hang_up_after: HangUpAfter = None,
    vanish_after: VanishAfter = None,
    plan: PlanFile = None,
    from_number: FromNumber = None,
    to_number: ToNumber = None,
    account_sid: AccountSid = None,
    auth_token: AuthToken = None,
    max_call: MaxCall = 300.0,
    verb_time: VerbTime = 0.0,
    delay_ms: DelayMs = 0.0,
    jitter_ms: JitterMs = 0.0,
    seed: Seed = 0,
    save: Save = None,
    clip: Clips = None,
    as_json: AsJson = False,
) -> None:
    """Call a voice webhook as Twilio would, and report what the caller heard.

    Exit status: 0 when nothing was wrong, 1 when Twilio or the caller had something to complain about or the
    agent was never heard, 2 when the command was not understood.
    """
    _check_url(url)
    planned = _planned(plan) if plan else Plan(_steps(say or [], pause, interrupt or [], press))
    caller = Surrounded(_caller(planned.steps, hang_up_after, vanish_after), planned.surroundings)
    found = found_settings()
    settings = CallSettings(
        account_sid=account_sid or found.get("TWILIO_ACCOUNT_SID") or ACCOUNT_SID,
        auth_token=auth_token or found.get("TWILIO_AUTH_TOKEN") or AUTH_TOKEN,
        from_number=from_number or planned.from_number or FROM_NUMBER,
        to_number=to_number or planned.to_number or TO_NUMBER,
        incoming=planned.incoming,
        line=planned.line,
        network=Network(delay_ms, jitter_ms, seed=seed),
        stream=StreamSettings(clips=tuple(_speech(file) for file in clip or [])),
        verb_time=verb_time,
        max_call_s=max_call,
        save=save,
    )
    display = _Display(Console(quiet=as_json, highlight=False))
    report = asyncio.run(_placed(url, caller, settings, planned.people, display))
    if as_json:
        typer.echo(report.to_json().decode())
    else:
        display.summarise(report)
    raise typer.Exit(0 if report.is_clean and report.was_agent_heard else 1)


async def _placed(
    url: str, caller: Caller, settings: CallSettings, people: Mapping[str, Person], display: _Display
) -> CallReport:
    """The call, beside the telephones of whoever can be rung."""
    if not people:
        return await place_call(url, caller, settings, on_event=display.show)
    async with Exchange(
        account_sid=settings.account_sid,
        auth_token=settings.auth_token,
        people=people,
        pace=settings.verb_time,
    ) as exchange:
        there = replace(settings, exchange=exchange)
        return await place_call(url, caller, there, on_event=display.show)


# --- The command line -------------------------------------------------------------------------


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} must begin with http:// or https://")


def _planned(plan: Path) -> Plan:
    try:
        return load_plan(plan)
    except (PlanError, SpeechError) as error:
        raise typer.BadParameter(str(error)) from error


def _steps(say: list[str], pause_s: float, interrupt: list[str], press: str | None) -> list[Step]:
    steps: list[Step] = []
    for said in say:
        steps += [WaitForAgent(), Pause(pause_s * 1000), Say(_speech(said))]
    for interruption in interrupt:
        after_ms, _, said = interruption.partition(":")
        if not after_ms.isdigit() or not said:
            raise typer.BadParameter(f"--interrupt {interruption!r} must be MS:SPEECH")
        steps.append(Interrupt(float(after_ms), _speech(said)))
    steps.append(WaitForAgent())
    if press is not None:
        steps += [_keys(press), WaitForAgent()]
    return steps


def _speech(said: str) -> bytes:
    try:
        return speech_of(said, Path())
    except SpeechError as error:
        raise typer.BadParameter(str(error)) from error


def _keys(press: str) -> Press:
    try:
        return Press(press)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _caller(steps: list[Step], hang_up_after: float | None, vanish_after: float | None) -> CallerScript:
    if hang_up_after is not None and vanish_after is not None:
        raise typer.BadParameter("--hang-up-after and --vanish-after cannot both be")
    if vanish_after is not None:
        return CallerScript(steps, leave_at_s=vanish_after, leave_by=Departure.VANISH)
    return CallerScript(steps, leave_at_s=hang_up_after)


def found_settings() -> Mapping[str, str]:
    """What the settings of the service are told, here and now, by their names."""
    variables = find_variables()
    if variables.problems:
        raise typer.BadParameter("\n".join(map(str, variables.problems)))
    return variables.values


# --- What people see --------------------------------------------------------------------------


class _Display:
    """Shows the call while it happens, and sums it up."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._zero = 0.0

    def show(self, event: PhoneEvent) -> None:
        if isinstance(event, events.CallPlaced):
            self._zero = event.at
        # Not broken at the width of a terminal: addresses are copied, and files are searched by lines.
        self._console.print(f"[dim]{event.at - self._zero:8.2f} s[/]  {_in_words(event)}", soft_wrap=True)

    def summarise(self, report: CallReport) -> None:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in _facts(report):
            table.add_row(f"[bold]{name}[/]", escape(value))
        self._console.print()
        self._console.print(table)
        for warning in report.warnings:
            times = "" if warning.count == 1 else f", {warning.count} times"
            self._console.print(
                f"[red]{warning.code}[/] {escape(warning.meaning)}{times}: "
                f"{escape(warning.detail)}\n      {escape(warning.remedy)}"
            )
        for finding in report.findings:
            self._console.print(f"[yellow]caller[/] {escape(finding)}", soft_wrap=True)
        if not report.was_agent_heard:
            got = ", ".join(verb.verb for verb in report.verbs) or "nothing"
            self._console.print(
                f"[yellow]caller[/] the agent was never heard; what Twilio was told: {escape(got)}"
            )
        elif report.is_clean:
            self._console.print("[green]Nothing to complain about.[/]")


def _facts(report: CallReport) -> list[tuple[str, str]]:
    answer = report.webhook_answer_ms
    facts = [
        ("call", f"{report.call_sid}, {report.status} after {report.duration_ms / 1000:.1f} s"),
        ("webhook", "no answer" if answer is None else f"answered in {answer:.0f} ms"),
    ]
    for stream in report.streams:
        code = "" if stream.close_code is None else f" with code {stream.close_code}"
        facts.append(("stream", f"{stream.stream_sid}, ended by {stream.ended_by}{code}"))
        facts.append(("sent", f"{stream.frames_sent} frames of 20 ms"))
        came = f"{stream.media_received_ms} ms of audio in {stream.media_received} messages"
        facts.append(("agent", f"{came}; {stream.heard_ms} ms heard, {stream.cleared_ms} cleared"))
        if stream.first_audio_from_call_ms is not None:
            facts.append(("first heard", f"{stream.first_audio_from_call_ms} ms after dialling"))
        facts.append(("marks", f"{stream.marks_echoed} of {stream.marks_received} echoed"))
        facts += [
            ("interruption", _stopped_in_words(interruption.stop_ms)) for interruption in stream.interruptions
        ]
        facts.append(("longest silence", f"{stream.longest_silence_ms} ms"))
        if stream.keys_heard:
            facts.append(("keys heard", f"{stream.keys_heard}, as tones in the agent's audio"))
    if report.greeting is not None:
        greeting = report.greeting
        facts.append(("greeting", f"{greeting.heard_ms} of {greeting.sent_ms} ms heard"))
    facts += [
        ("dead air", f"{(silence.to_ms - silence.from_ms) / 1000:.1f} s after {silence.after}")
        for silence in report.dead_air()
    ]
    if report.recording:
        facts.append(("recording", report.recording))
    return facts


def _stopped_in_words(stop_ms: int | None) -> str:
    if stop_ms is None:
        return "the agent talked on to the end"
    return f"the agent fell silent {stop_ms} ms after the caller began to speak"


def _in_words(event: PhoneEvent) -> str:
    """One line about an event."""
    match event:
        case events.CallPlaced():
            return f"calling {escape(event.to_number)} as {escape(event.from_number)}"
        case events.WebhookAnswered():
            status = event.status or "nothing"
            return f"{escape(event.url)} answered {status} in {event.took_ms:.0f} ms"
        case events.VerbExecuted():
            return f"<{escape(event.verb)}> {escape(event.detail)}"
        case events.Complained():
            return f"[red]{event.code}[/] {escape(event.detail)}"
        case events.CallEnded():
            return f"call ended: {event.status}"
        case _:
            return _stream_in_words(event)


def _stream_in_words(event: events.StreamEvent) -> str:
    """One line about what happens on a stream."""
    match event:
        case events.StreamStarted():
            return f"stream {event.stream_sid} is open"
        case events.AgentAudioStarted():
            return "[cyan]agent is heard[/]"
        case events.AgentAudioStopped():
            return "[cyan]agent is silent[/]"
        case events.CallerSpeaking():
            manner = " [bold]into the agent's words[/]" if event.is_interrupting else ""
            return f"[green]caller speaks[/]{manner}"
        case events.CallerSilent():
            return "[green]caller is silent[/]"
        case events.Cleared():
            return f"bridge cleared {event.discarded_ms} ms of audio"
        case events.KeyPressed():
            return f"caller presses {event.key}"
        case events.StreamEnded():
            code = "" if event.code is None else f", code {event.code}"
            return f"stream ended by {event.by_whom}{code}"
