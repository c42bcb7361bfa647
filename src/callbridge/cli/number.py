"""`callbridge number`: the numbers of the Twilio account: seen, bought, pointed here, put back, probed.

Options, questions and output only. What is done to a number stands in `server.errands.numbers`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from callbridge.cli.check import show
from callbridge.cli.consent import agrees
from callbridge.cli.serve import settings_or_refusal
from callbridge.server.config.addresses import DEBUGGER_PATH
from callbridge.server.config.setting_values import base_url, is_loopback
from callbridge.server.errands.kept_pointings import KeptError, kept_pointings
from callbridge.server.errands.numbers import (
    NumberError,
    buy,
    find_number,
    plan_pointing,
    plan_restoring,
    point,
    restore,
    search,
    told_of,
    written_in_full,
)
from callbridge.server.errands.webhook_probe import base_of, probe_webhook
from callbridge.telephony.rest.client import NumberKind, open_rest
from callbridge.telephony.rest.fault import RestFault
from callbridge.telephony.rest.records import Pointing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from callbridge.server.config.settings import Settings
    from callbridge.server.errands.numbers import Plan
    from callbridge.telephony.rest.client import TwilioRest
    from callbridge.telephony.rest.records import AvailableNumber

    _Work: TypeAlias = Callable[[Settings, TwilioRest], Awaitable[None]]

number = typer.Typer(
    help="The numbers of your Twilio account: see, buy, point here, put back.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PRICES: Final = "https://www.twilio.com/en-us/voice/pricing"

Number = Annotated[str, typer.Argument(help="With its country code: +14155550100.", show_default=False)]
Country = Annotated[str, typer.Option(help="Of the number, as ISO 3166 spells it: US, GB, DE, …")]
AreaCode = Annotated[str, typer.Option(help="In the USA and Canada: 415.")]
Contains = Annotated[str, typer.Option(help="Digits in it; * for any one.")]
Kind = Annotated[NumberKind, typer.Option(help="What not every country has.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. For scripts.")]


# --- Seeing -------------------------------------------------------------------------------------------


@number.command("list")
def list_numbers() -> None:
    """Show the numbers of the account, and what each of them leads to.

    Numbers are shown in full: this is your own screen.
    """
    _run(_list)


async def _list(settings: Settings, rest: TwilioRest) -> None:
    found, kept = await rest.numbers(), kept_pointings(settings)
    _say(f"Numbers of account {settings.twilio_account_sid}, shown in full. {_of_region(settings)}")
    if not found:
        _say("There is none. `callbridge number buy` buys one.")
    for one in found:
        can = ", ".join(word for word, able in (("calls", one.has_voice), ("texts", one.has_sms)) if able)
        _say(f"{one.number:<16} {can or 'neither calls nor texts':<14} {told_of(one, settings, kept)}")


@number.command()
def available(
    country: Country = "US",
    area_code: AreaCode = "",
    contains: Contains = "",
    kind: Kind = "local",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many to show.")] = 10,
) -> None:
    """Search for numbers that can be bought. Costs nothing."""

    async def shown(_settings: Settings, rest: TwilioRest) -> None:
        found = await search(rest, country, kind, area_code, contains, limit)
        for one in found:
            _say(_offer(one))
        if not found:
            _say("There is none like that at the moment.")

    _run(shown)


def _offer(one: AvailableNumber) -> str:
    place = ", ".join(filter(None, (one.locality, one.region, one.country)))
    texts = "calls, texts" if one.has_sms else "calls"
    needs = (
        "" if one.address_requirements in {"", "none"} else f"needs an address: {one.address_requirements}"
    )
    return f"{one.number:<16} {texts:<14} {place}  {needs}".rstrip()


# --- Buying -------------------------------------------------------------------------------------------


@number.command("buy")
def buy_number(
    wanted: Annotated[
        str, typer.Argument(metavar="[NUMBER]", help="One of `available`; else the first that fits.")
    ] = "",
    country: Country = "US",
    area_code: AreaCode = "",
    contains: Contains = "",
    kind: Kind = "local",
    yes: Yes = False,
) -> None:
    """Buy a number, and point it here. It costs money each month, so this asks first."""

    async def purchase(settings: Settings, rest: TwilioRest) -> None:
        await _warn_of_trial(rest)
        chosen = written_in_full(wanted) if wanted else ""
        if not chosen:
            found = await search(rest, country, kind, area_code, contains, 1)
            if not found:
                raise NumberError(
                    "There is no such number at the moment. Search: callbridge number available."
                )
            _say(_offer(found[0]))
            chosen = found[0].number
        _ask(f"Buy {chosen}? Twilio bills it each month from now on ({_PRICES})", is_agreed=yes)
        # Twilio would point it at a demo that costs money with each call.
        bought = await buy(rest, chosen, Pointing(voice_url=""))
        _say(f"{bought.number} is yours.")
        if _can_be_reached(settings, settings.public_base_url):
            await _point(settings, rest, plan_pointing(bought, settings, kept_pointings(settings)))
        else:
            _say(f"It leads nowhere yet: {_NOT_REACHED}")

    _run(purchase)


async def _warn_of_trial(rest: TwilioRest) -> None:
    with contextlib.suppress(RestFault):  # A key may buy numbers without seeing the account.
        if (await rest.account()).is_trial:
            _say(
                "This is a trial account: Twilio takes <Stream> out of every answer, so no call can be "
                "answered. Upgrade it first, at https://console.twilio.com."
            )


# --- Pointing -----------------------------------------------------------------------------------------

_NOT_REACHED: Final = (
    "PUBLIC_BASE_URL, or --url, is no address that Twilio reaches. Set the https:// address of a tunnel or "
    "host, or give it as --url."
)


@number.command("point")
def point_number(
    wanted: Number,
    url: Annotated[
        str, typer.Option(help="In place of PUBLIC_BASE_URL, which the service must have, too.")
    ] = "",
    fallback_url: Annotated[
        str | None,
        typer.Option(help="What Twilio asks when the service fails: the TwiML Bin of `callbridge fallback`."),
    ] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Texts to the number come here, too.")] = False,
    yes: Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also take away applications and a SIP trunk.")
    ] = False,
) -> None:
    """Have calls to a number answered here. What was set before is kept, and `restore` puts it back.

    Asks before it overwrites a setting that is not ours, and probes the address afterwards.
    """

    async def pointed(settings: Settings, rest: TwilioRest) -> None:
        base = _base(url) or settings.public_base_url
        if not _can_be_reached(settings, base):
            raise NumberError(_NOT_REACHED)
        found, kept = await find_number(rest, wanted), kept_pointings(settings)
        plan = plan_pointing(
            found,
            settings,
            kept,
            base_url=base,
            fallback_url=fallback_url,
            takes_texts=texts,
            by_force=force,
        )
        if plan.overridden_by and not force:
            raise NumberError(
                f"{plan.overridden_by} answers {found.number}, and Twilio ignores the address that is to be "
                "set. --force takes that away; `restore` puts it back."
            )
        await _point(settings, rest, plan, is_agreed=yes)

    _run(pointed)


def _base(url: str) -> str:
    """The base address in what the user has given: with or without the path of the webhook."""
    try:
        return base_url(base_of(url)) if url else ""
    except ValueError as fault:
        raise NumberError(f"--url {url} {fault}") from None


async def _point(settings: Settings, rest: TwilioRest, plan: Plan, *, is_agreed: bool = False) -> None:
    """Shows what changes, asks where it must, does it and proves it."""
    kept, called = kept_pointings(settings), plan.number.number
    _show(plan)
    if plan.of_others:
        words = ", ".join(change.words for change in plan.of_others)
        _ask(f"Overwrite what is not ours ({words})?", is_agreed=is_agreed)
    if plan.changes:
        path = await point(rest, plan, kept)
        _say(f"Done. What was there is kept in {path}; to put it back: callbridge number restore {called}")
        _say(
            "To have Twilio's errors about calls in the log, too, enter this in the console, under Monitor > "
            f"Errors > Webhook: {base_of(plan.pointing.voice_url or '')}{DEBUGGER_PATH}"
        )
    _say(_of_region(settings))
    await _probe(settings, plan.pointing.voice_url or "", called)


@number.command("restore")
def restore_number(wanted: Number, yes: Yes = False) -> None:
    """Put a number back to where it pointed before `point`."""

    async def restored(settings: Settings, rest: TwilioRest) -> None:
        found, kept = await find_number(rest, wanted), kept_pointings(settings)
        plan = plan_restoring(found, kept)
        _show(plan)
        if plan.of_others:
            words = ", ".join(change.words for change in plan.of_others)
            _ask(f"Somebody has changed it since ({words}). Overwrite that?", is_agreed=yes)
        await restore(rest, plan, kept)
        _say(f"{found.number} is put back.")

    _run(restored)


@number.command()
def probe(
    wanted: Annotated[
        str,
        typer.Argument(metavar="[NUMBER]", help="Whose voice URL is asked; else this service's own address."),
    ] = "",
) -> None:
    """Ask the voice URL as Twilio would, with its signature, and say what is in the way.

    The service admits no call for it, and counts nothing. It is asked from this machine. Exit status 1 when
    a call would not be answered here.
    """

    async def probed(settings: Settings, rest: TwilioRest) -> None:
        if not wanted:
            await _probe(settings, settings.voice_url, "+15005550006")
            return
        found = await find_number(rest, wanted)
        if overridden := told_of(found, settings, kept_pointings(settings), overriding_alone=True):
            raise NumberError(f"{found.number}: {overridden}")
        await _probe(settings, found.voice_url, found.number, found.voice_method or "POST")

    _run(probed)


async def _probe(settings: Settings, url: str, called: str, method: str = "POST") -> None:
    found = await probe_webhook(settings, url, called, method=method)
    show([found.finding])
    if not found.is_ours:
        raise typer.Exit(1)


# --- What they share ----------------------------------------------------------------------------------


def _run(work: _Work) -> None:
    """One command: with the settings and a client, and its faults in words."""
    settings = settings_or_refusal()
    try:
        asyncio.run(_with_rest(settings, work))
    except (RestFault, NumberError, KeptError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from None


async def _with_rest(settings: Settings, work: _Work) -> None:
    async with open_rest(settings.rest_credentials) as rest:
        await work(settings, rest)


def _can_be_reached(settings: Settings, base: str) -> bool:
    """Whether Twilio can ask this address; a simulated account asks on this machine, too."""
    return not is_loopback(urlsplit(base).hostname or "") or bool(settings.rest_credentials.api_url)


def _of_region(settings: Settings) -> str:
    region = settings.rest_credentials.region or "us1"
    return f"Settings of numbers are per region; these are those of {region} (TWILIO_REGION)."


def _show(plan: Plan) -> None:
    """What is there, and what will be."""
    _say(plan.number.number)
    width = max((len(change.words) for change in plan.changes), default=0)
    for change in plan.changes:
        _say(f"  {change.words:<{width}}  {change.before or '(nothing)'} -> {change.after or '(nothing)'}")
    if not plan.changes:
        _say("  is as it is to be")


def _ask(question: str, *, is_agreed: bool) -> None:
    """Goes on only when the user agrees; one who cannot be asked does not."""
    if not is_agreed and not agrees(question):
        _say("Nothing was changed.")
        raise typer.Exit(1)


def _say(line: str) -> None:
    # As text, not markup: what others have set may have brackets in it.
    Console(soft_wrap=True, highlight=False).print(Text(line))
