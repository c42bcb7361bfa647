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
from callbridge.cli.call_options import (
    AROUND,
    CALL,
    OUTPUT,
    AccountSid,
    AsJson,
    AuthToken,
    Clips,
    DelayMs,
    InterruptWith,
    JitterMs,
    MaxCall,
    PauseSeconds,
    PlanFile,
    PressKeys,
    SaySpeech,
    Seed,
    ToNumber,
    Url,
    account_of,
    check_url,
    found_settings,
    planned,
    speech,
    steps_of,
)
from callbridge.cli.output_files import to_be_written
from callbridge.simulators.phone import (
    FROM_NUMBER,
    TO_NUMBER,
    CallerScript,
    CallSettings,
    Departure,
    Network,
    Step,
    StreamSettings,
    Surrounded,
    WaitForEnd,
)
from callbridge.simulators.phone.plan import Plan
from callbridge.simulators.phone.written_people import SYNTAX, written_people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.simulators.phone import Caller, Person


# --- Options: what each one means, so that the command below reads as one piece ---------------

HangUpAfter = Annotated[float | None, typer.Option(min=0, help="Hang up at this second of the stream.")]
VanishAfter = Annotated[
    float | None,
    typer.Option(min=0, help="Cut the connection without closing it at this second."),
]
FromNumber = Annotated[
    str | None,
    typer.Option("--from", rich_help_panel=CALL, help=f"The caller's number; {FROM_NUMBER} by default."),
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
Save = Annotated[
    Path | None,
    typer.Option(
        callback=to_be_written, rich_help_panel=OUTPUT, help="Stereo WAV: caller left, heard agent right."
    ),
]


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
    check_url(url)
    followed = planned(plan) if plan else Plan(steps_of(say or [], pause, interrupt or [], press))
    people: dict[str, Person | Sequence[Person]] = {**followed.people, **_people(person or [])}
    steps = [*followed.steps, WaitForEnd()] if people and not plan else followed.steps
    caller = Surrounded(_caller(steps, hang_up_after, vanish_after), followed.surroundings)
    found = found_settings()
    sid, token = account_of(found, account_sid, auth_token)
    settings = CallSettings(
        account_sid=sid,
        auth_token=token,
        from_number=from_number or followed.from_number or FROM_NUMBER,
        to_number=to_number or followed.to_number or TO_NUMBER,
        incoming=followed.incoming,
        line=followed.line,
        network=Network(delay_ms, jitter_ms, seed=seed),
        stream=StreamSettings(clips=tuple(speech(file) for file in clip or [])),
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


def _people(written: list[str]) -> dict[str, list[Person]]:
    try:
        return written_people(written)
    except ValueError as error:
        raise typer.BadParameter(f"--person {error}") from error


def _numbers(called: str, found: Mapping[str, str]) -> tuple[str, ...]:
    """What the account owns: the number that is called, and those that the service's settings show."""
    shown = (found.get(name, "") for name in ("CALLBRIDGE_FALLBACK_CALLER_ID", "CALLBRIDGE_TEXT_FROM"))
    return tuple(dict.fromkeys(number for number in (called, *shown) if number.startswith("+")))


def _caller(steps: list[Step], hang_up_after: float | None, vanish_after: float | None) -> CallerScript:
    if hang_up_after is not None and vanish_after is not None:
        raise typer.BadParameter("--hang-up-after and --vanish-after cannot both be")
    if vanish_after is not None:
        return CallerScript(steps, leave_at_s=vanish_after, leave_by=Departure.VANISH)
    return CallerScript(steps, leave_at_s=hang_up_after)
