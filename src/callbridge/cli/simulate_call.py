"""`callbridge simulate call`: place one simulated phone call and say in plain words what came of it.

Reads the command line, shows, and sets the exit status. The call itself is `simulators.phone`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from callbridge.cli.around_call import ACCOUNT_PORT, PACE, Around, PortTaken, place_among
from callbridge.cli.call_display import CallDisplay
from callbridge.cli.output_files import to_be_written
from callbridge.server.config.settings import find_variables
from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    FROM_NUMBER,
    TO_NUMBER,
    CallerScript,
    CallSettings,
    Departure,
    Interrupt,
    Network,
    Pause,
    Press,
    Say,
    Step,
    StreamSettings,
    Surrounded,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.phone.plan import Plan, PlanError, load_plan, speech_of
from callbridge.simulators.phone.written_people import SYNTAX, written_people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.simulators.phone import Caller, Person

CALL = "The call"
AROUND = "People and the account"
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
    float | None,
    typer.Option(
        min=0,
        max=1,
        rich_help_panel=CALL,
        help="How much of the time of Say, Pause, rings, talks and the like is waited for, 1 as in life; the "
        f"report counts it all. {PACE} where there are people, else 0. Streams are never shortened.",
    ),
]
People = Annotated[
    list[str] | None,
    typer.Option(
        "--person",
        metavar="ADDRESS=MANNER",
        rich_help_panel=AROUND,
        help=f"Somebody who can be rung, as +14155550100=takes. MANNER is {SYNTAX}; @3 behind it is how long "
        "it rings, in seconds. Repeatable; of several at one address each answers one ring. Nobody is "
        "anywhere else, and the caller stays until the other side ends the call.",
    ),
]
AccountPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65_535,
        rich_help_panel=AROUND,
        help="Where the REST API of the account is served during the call: what the service's "
        f"CALLBRIDGE_TWILIO_API_URL names. {ACCOUNT_PORT} by default, 0 for nowhere.",
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
    verb_time: VerbTime = None,
    person: People = None,
    account_port: AccountPort = None,
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
    people: dict[str, Person | Sequence[Person]] = {**planned.people, **_people(person or [])}
    steps = [*planned.steps, WaitForEnd()] if people and not plan else planned.steps
    caller = Surrounded(_caller(steps, hang_up_after, vanish_after), planned.surroundings)
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
        verb_time=verb_time if verb_time is not None else PACE if people else 0.0,
        max_call_s=max_call,
        save=save,
    )
    numbers = _numbers(settings.to_number, found)
    around = Around(people=people, numbers=numbers, port=account_port)
    raise typer.Exit(0 if _place(url, caller, settings, around, as_json=as_json) else 1)


def _place(url: str, caller: Caller, settings: CallSettings, around: Around, *, as_json: bool) -> bool:
    """Place the call and show it; whether nothing was wrong."""
    display = CallDisplay(Console(quiet=as_json, highlight=False))
    display.introduce(around, settings.verb_time)
    try:
        report = asyncio.run(place_among(url, caller, settings, around, display.watchers))
    except PortTaken as taken:
        remedy = "End what listens there, or name another --account-port"
        raise typer.BadParameter(f"{taken}. {remedy}") from taken
    if as_json:
        typer.echo(report.to_json().decode())
    else:
        display.summarise(report)
    return report.is_good


# --- The command line -------------------------------------------------------------------------


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} must begin with http:// or https://")


def _planned(plan: Path) -> Plan:
    try:
        return load_plan(plan)
    except (PlanError, SpeechError) as error:
        raise typer.BadParameter(str(error)) from error


def _people(written: list[str]) -> dict[str, list[Person]]:
    try:
        return written_people(written)
    except ValueError as error:
        raise typer.BadParameter(f"--person {error}") from error


def _numbers(called: str, found: Mapping[str, str]) -> tuple[str, ...]:
    """What the account owns: the number that is called, and those that the service's settings show."""
    shown = (found.get(name, "") for name in ("CALLBRIDGE_FALLBACK_CALLER_ID", "CALLBRIDGE_TEXT_FROM"))
    return tuple(dict.fromkeys(number for number in (called, *shown) if number.startswith("+")))


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
