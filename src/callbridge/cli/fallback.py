"""`callbridge fallback`: the document that Twilio keeps for when the service itself does not answer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from callbridge.cli.serve import settings_or_refusal
from callbridge.server.config.fallback import fallback_plan
from callbridge.telephony.hosted import hosted

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

_HTTPS: Final = re.compile(r"https://[^\s\"<>]+")

_WHERE: Final = """\
Paste it into a TwiML Bin (Twilio console > TwiML Bins), and choose that Bin under "Primary handler fails" of
your number. Twilio asks it when nobody answers at your address, also in the middle of a call."""


def fallback(
    hang_up_url: Annotated[
        str | None,
        typer.Option(
            help="Address of another TwiML Bin, which holds `<Response><Hangup/></Response>`: "
            "then callers may leave a message."
        ),
    ] = None,
) -> None:
    """Print the TwiML that rings your humans while the service is down.

    Twilio keeps and executes it, so it needs nothing of yours: no menu, no office hours.
    """
    settings = settings_or_refusal()
    if hang_up_url is not None and not _HTTPS.fullmatch(hang_up_url):
        typer.echo("--hang-up-url must be the https:// address of a TwiML Bin.", err=True)
        raise typer.Exit(1)
    typer.echo(document(settings, hang_up_url or ""), nl=False)
    typer.echo(notes(settings, hang_up_url or ""), err=True)


def document(settings: Settings, hang_up_url: str = "") -> str:
    """The TwiML, with the words and humans of the settings."""
    plan = replace(fallback_plan(settings), caller_id=settings.fallback_caller_id or "")
    return hosted(plan, humans(settings), hang_up_url)


def humans(settings: Settings) -> list[str]:
    """Whom it rings: the human of the fallback, then those of its menu, each once."""
    numbers = [settings.fallback_dial, *(entry.dial for entry in settings.fallback_menu or ())]
    return list(dict.fromkeys(number for number in numbers if number))


def notes(settings: Settings, hang_up_url: str = "") -> str:
    """Where it belongs, and what it cannot do."""
    lines = ["", _WHERE, ""]
    if not humans(settings):
        lines.append("- It rings nobody: set CALLBRIDGE_FALLBACK_DIAL to the number of a human.")
    elif settings.office_hours is not None:
        lines.append("- It has no clock: humans are rung outside of CALLBRIDGE_OFFICE_HOURS, too.")
    if humans(settings) and settings.fallback_caller_id is None:
        lines.append("- Who has no number reaches nobody (13214): set CALLBRIDGE_FALLBACK_CALLER_ID.")
    if humans(settings):
        lines.append("- A telephone that forwards to this number rings in circles: end such a forwarding.")
    if settings.fallback_menu:
        lines.append("- It has no menu, whose keys would ask your address: it rings all of its humans.")
    lines.append(
        "- A message is found in the Twilio console, under Monitor > Recordings; nobody is told of it."
        if hang_up_url
        else "- Nobody can leave a message: that takes a second Bin, whose address is told as --hang-up-url."
    )
    return "\n".join(lines)
