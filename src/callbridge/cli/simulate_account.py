"""`callbridge simulate account`: Twilio's REST API on this machine, and what is asked of it.

Options and output only. What the account does is in `simulators.account`.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from callbridge.cli.account_report import request_report
from callbridge.cli.around_call import ACCOUNT_PORT
from callbridge.cli.call_options import account_of, found_settings
from callbridge.cli.running_until_stopped import running_until_stopped
from callbridge.simulators.account import AccountSettings, Seen, SimulatedAccount, serve_account
from callbridge.simulators.account.account_codes import meaning_of
from callbridge.simulators.phone import Exchange
from callbridge.simulators.phone.call import AUTH_TOKEN
from callbridge.simulators.phone.written_people import SYNTAX, written_people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.simulators.phone import Person
    from callbridge.simulators.phone.carrier_codes import Complaint

NUMBER: Final = "+14155550100"
"""The number of an account that was given none: reserved for fiction."""

PERSON: Final = "+14155550199=takes@3"
"""Who can be rung when nobody was named."""

PERSON_SYNTAX: Final = (
    f"Somebody who can be rung, as ADDRESS=MANNER; MANNER is {SYNTAX}; @3 behind it is how long it rings, "
    f"in seconds. Repeatable; {PERSON} when nobody is named. Nobody is anywhere else."
)


def simulate_account(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for a free one.")
    ] = ACCOUNT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    number: Annotated[
        list[str] | None, typer.Option(help="A telephone number that the account owns. Repeatable.")
    ] = None,
    verified: Annotated[
        list[str] | None,
        typer.Option(help="Somebody's number that it may show, and reach on trial. Repeatable."),
    ] = None,
    person: Annotated[list[str] | None, typer.Option(help=PERSON_SYNTAX)] = None,
    debugger: Annotated[
        str, typer.Option(help="Webhook that is told of each complaint, as entered in Twilio's Console.")
    ] = "",
    *,
    trial: Annotated[
        bool, typer.Option("--trial", help="A trial account, with what Twilio does not let those do.")
    ] = False,
) -> None:
    """Serve Twilio's REST API with an account that exists here only, strict as the real one.

    Its SID and auth token are those of the environment or `.env`, where there are any.
    """
    console = Console()
    # As of the simulated call: the account of the service is meant, where there is one.
    sid, token = account_of(found_settings())
    settings = AccountSettings(
        account_sid=sid,
        auth_token=token,
        numbers=tuple(number or (NUMBER,)),
        verified_numbers=frozenset(verified or ()),
        debugger_url=debugger,
        type="Trial" if trial else "Full",
    )
    with running_until_stopped(console, host, port):
        people = written_people(person or (PERSON,))
        asyncio.run(serve_shown(console, settings, people, host, port))


async def serve_shown(
    console: Console, settings: AccountSettings, people: Mapping[str, Sequence[Person]], host: str, port: int
) -> None:
    """Serve an account until SIGTERM, and show on `console` what is asked of it."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    sid, token = settings.account_sid, settings.auth_token
    async with Exchange(account_sid=sid, auth_token=token, people=people, pace=1.0) as exchange:
        account = SimulatedAccount(exchange, settings)
        account.on_request = lambda seen: _show_request(console, seen)
        account.ledger.on_complaint = lambda complaint: _show_complaint(console, complaint)
        async with serve_account(account, host, port) as server:
            _introduce(console, account, people, server.base_url)
            await stopped.wait()


def _introduce(
    console: Console, account: SimulatedAccount, people: Mapping[str, Sequence[Person]], base_url: str
) -> None:
    """Lines to copy are not broken at the width of a terminal."""
    settings = account.settings
    console.print(f"[bold]{base_url}[/]  {settings.type} account, nobody is billed", soft_wrap=True)
    console.print("numbers: " + ", ".join(one.address for one in account.numbers), soft_wrap=True)
    there = ", ".join(
        f"{address} ({', then '.join(one.answers.value for one in those)})"
        for address, those in people.items()
    )
    console.print(f"people:  {there}", soft_wrap=True)
    console.print("for the service and its commands:", style="dim")
    lines = {
        "TWILIO_ACCOUNT_SID": settings.account_sid,
        # The one of a real account is known to whoever has set it, and shown to nobody.
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN if settings.auth_token == AUTH_TOKEN else "(the one that is set)",
        "CALLBRIDGE_TWILIO_API_URL": base_url,
    }
    for name, value in lines.items():
        console.print(f"{name}={value}", soft_wrap=True, highlight=False)


def _show_request(console: Console, seen: Seen) -> None:
    """One line each; numbers are masked, words are not shown."""
    fault = f" ({seen.fault})" if seen.fault is not None else ""
    style = "green" if seen.status < 300 else "bold red"
    line = escape(f"{request_report(seen)}{fault}")
    console.print(f"[{style}]{line}[/]", soft_wrap=True, highlight=False)


def _show_complaint(console: Console, complaint: Complaint) -> None:
    """Its meaning alone: details hold addresses and words."""
    found = meaning_of(complaint.code)
    words = f"{found.meaning}; {found.remedy}" if found is not None else "see twilio.com/docs/errors"
    console.print(f"[yellow]complaint {complaint.code}[/] {escape(words)}", soft_wrap=True, highlight=False)
