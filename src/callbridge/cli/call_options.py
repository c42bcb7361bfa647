"""What commands that stand in for Twilio are told alike: options, the steps of a caller, the account.

Reads the command line. What is done with it is up to each command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from callbridge.server.config.settings import find_variables
from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    TO_NUMBER,
    Interrupt,
    Pause,
    Press,
    Say,
    Step,
    WaitForAgent,
)
from callbridge.simulators.phone.plan import Plan, PlanError, load_plan, speech_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = "The call"
AROUND = "People and the account"
NETWORK = "The network"
OUTPUT = "Output"


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
PlanFile = Annotated[
    Path | None,
    typer.Option(help="TOML file with the script, the caller and their surroundings, instead of the above."),
]
ToNumber = Annotated[
    str | None,
    typer.Option("--to", rich_help_panel=CALL, help=f"The number that is called; {TO_NUMBER} by default."),
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
AsJson = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print only a JSON report.")]


def check_url(url: str) -> None:
    """Refuses what is no address."""
    try:
        address = urlsplit(url)
        is_one = address.scheme in {"http", "https"} and bool(address.hostname)
    except ValueError:  # Of a bracket without its other.
        is_one = False
    if not is_one:
        raise typer.BadParameter(f"{url!r} must begin with http:// or https://, and name a host")


def planned(plan: Path) -> Plan:
    """The plan of a file, with its speech."""
    try:
        return load_plan(plan)
    except (PlanError, SpeechError) as error:
        raise typer.BadParameter(str(error)) from error


def steps_of(say: list[str], pause_s: float, interrupt: list[str], press: str | None) -> list[Step]:
    """What a caller does whom options describe."""
    steps: list[Step] = []
    for said in say:
        steps += [WaitForAgent(), Pause(pause_s * 1000), Say(speech(said))]
    for interruption in interrupt:
        after_ms, _, said = interruption.partition(":")
        if not after_ms.isdecimal() or not said:
            raise typer.BadParameter(f"--interrupt {interruption!r} must be MS:SPEECH")
        steps.append(Interrupt(float(after_ms), speech(said)))
    steps.append(WaitForAgent())
    if press is not None:
        steps += [_keys(press), WaitForAgent()]
    return steps


def speech(said: str) -> bytes:
    """A file, or words if they can be spoken here."""
    try:
        return speech_of(said, Path())
    except SpeechError as error:
        raise typer.BadParameter(str(error)) from error


def _keys(press: str) -> Press:
    try:
        return Press(press)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def found_settings() -> Mapping[str, str]:
    """What the settings of the service are told, here and now, by their names."""
    variables = find_variables()
    if variables.problems:
        raise typer.BadParameter("\n".join(map(str, variables.problems)))
    return variables.values


def account_of(
    found: Mapping[str, str], account_sid: str | None = None, auth_token: str | None = None
) -> tuple[str, str]:
    """SID and token of the account: as told on the command line, else the service's, else the made-up ones.

    Args:
        found: what the settings of the service are told (`found_settings`).
        account_sid: of the command line.
        auth_token: alike.
    """
    return (
        account_sid or found.get("TWILIO_ACCOUNT_SID") or ACCOUNT_SID,
        auth_token or found.get("TWILIO_AUTH_TOKEN") or AUTH_TOKEN,
    )
