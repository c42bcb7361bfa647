"""`callbridge calls cost`: what calls cost, by day, agent or call, and beside the accounts' own books."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Final, cast

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from callbridge.cli.calls.books import openai_books, twilio_books
from callbridge.cli.calls.comparing import Comparison, compared
from callbridge.cli.records_database import records_database
from callbridge.cli.serve import settings_or_refusal
from callbridge.records.in_words import dollars, length
from callbridge.server.config.prices import read_prices

if TYPE_CHECKING:
    from callbridge.records.sums import Bill, By, CostSum
    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.records import UsageOfDay

DAYS: Final = 30
"""Shown where no beginning is given."""

_AGO: Final = re.compile(r"(\d{1,4})d")
_NAMES: Final = ("day", "agent", "call")


def cost(
    by: Annotated[str, typer.Option(help="What is added up: day, agent or call.")] = "day",
    since: Annotated[
        str, typer.Option(help="The first day, as 2026-11-28, or so many days ago, as 7d.")
    ] = f"{DAYS}d",
    until: Annotated[str, typer.Option(help="The last day; by default today.")] = "0d",
    compare: Annotated[
        str,
        typer.Option(
            metavar="DAY",
            help="Set our sum of this day beside the books of Twilio's account and of OpenAI's.",
        ),
    ] = "",
    lines: Annotated[
        bool, typer.Option(help="The lines of the bill, too: each call is told anew from its facts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """What calls cost, by the facts on record and the price list: model, transcripts, minutes, texts.

    Days are in UTC, as the vendors bill, and a call belongs to the day on which it began. With --compare
    Twilio is asked with the service's credentials, and OpenAI with OPENAI_ADMIN_KEY, where there is one.
    """
    if by not in _NAMES:
        raise typer.BadParameter(f"{by} is not one of {', '.join(_NAMES)}", param_hint="--by")
    today = dt.datetime.now(dt.UTC).date()
    settings = settings_or_refusal()
    if compare:
        found = _comparison(settings, _day(compare, today, "--compare"), today)
        _print_json(found) if as_json else _show_comparison(found)
    else:
        days = _day(since, today, "--since"), _day(until, today, "--until")
        report = _report(settings, days, cast("By", by), with_lines=lines)
        _print_json(report) if as_json else _show(report)


class Report(msgspec.Struct, frozen=True):
    """What the calls of some days cost."""

    since: str
    until: str
    by: str
    prices_as_of: str
    """The day of the oldest part of the price list."""
    sums: list[CostSum]
    bill: Bill | None
    """Of all of them, line by line, where that was asked for."""


def _day(text: str, today: dt.date, option: str) -> dt.date:
    if (ago := _AGO.fullmatch(text)) is not None:
        return today - dt.timedelta(int(ago[1]))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        told = f"{text} is no day. Write it as {today.isoformat()}, or as 7d for seven days ago"
        raise typer.BadParameter(told, param_hint=option) from None


def _moment(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()


# --- Our sum --------------------------------------------------------------------------------------------


def _report(settings: Settings, days: tuple[dt.date, dt.date], by: By, *, with_lines: bool) -> Report:
    first, last = days
    since, until = _moment(first), _moment(last + dt.timedelta(1))
    with records_database(settings) as database:
        from callbridge.records import sums  # noqa: PLC0415 - SQLAlchemy is slow

        found = sums.summed(sums.costs_between(database, since, until), by)
        bill = sums.billed(sums.stories_between(database, since, until)) if with_lines else None
    as_of = read_prices(settings.prices).list.as_of
    return Report(first.isoformat(), last.isoformat(), by, as_of, found, bill)


def _show(report: Report) -> None:
    console = Console(highlight=False)
    table = Table("", "calls", "time", "cost", "a minute", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in (*report.sums, _all(report)):
        minutes = one.duration_ms / 60_000
        a_minute = dollars(round(one.microdollars / minutes)) if minutes else ""
        table.add_row(
            one.name, f"{one.calls:,}", length(one.duration_ms), dollars(one.microdollars), a_minute
        )
    console.print(table)
    if report.bill is not None:
        _show_lines(console, report.bill)
    console.print(f"Days are in UTC; prices as of {report.prices_as_of}.")


def _all(report: Report) -> CostSum:
    from callbridge.records.sums import CostSum  # noqa: PLC0415 - SQLAlchemy is slow

    return CostSum(
        "together",
        sum(one.calls for one in report.sums),
        sum(one.duration_ms for one in report.sums),
        sum(one.microdollars for one in report.sums),
    )


def _show_lines(console: Console, bill: Bill) -> None:
    table = Table("", "", "cost", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in bill.lines:
        table.add_row(line.name, f"{line.quantity:,.10g} {line.unit}", dollars(line.microdollars))
    console.print(table)
    console.print(f"Of it for audio that nobody heard: {dollars(bill.unheard_microdollars)}")
    console.print(f"Of it for time in which nobody spoke: {dollars(bill.silent_microdollars)}")
    if bill.unpriced:
        console.print(f"Without a price, and not in the sum: {', '.join(bill.unpriced)}")


# --- Beside the accounts' books -------------------------------------------------------------------------


def _comparison(settings: Settings, day: dt.date, today: dt.date) -> Comparison:
    bill = _report(settings, (day, day), "day", with_lines=True).bill
    assert bill is not None, "its lines were asked for"
    twilio, openai = asyncio.run(_books(settings, day))
    return compared(day, bill, twilio, openai, is_over=day < today)


async def _books(settings: Settings, day: dt.date) -> tuple[dict[str, UsageOfDay] | str, float | str]:
    twilio, openai = await asyncio.gather(twilio_books(settings, day), openai_books(settings, day))
    return twilio, openai


def _show_comparison(found: Comparison) -> None:
    console = Console(highlight=False)
    table = Table("", found.day, "ours", "theirs", "difference", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in found.rows:
        theirs = ("", "") if row.theirs is None else (dollars(row.theirs), _signed(row.difference or 0))
        table.add_row(row.vendor, row.what, dollars(row.ours), *theirs)
    console.print(table)
    for note in found.notes:
        console.print(note, soft_wrap=True)


def _signed(microdollars: int) -> str:
    """`+$0.0044`, `-$0.0044`; nothing before what is shown as none."""
    shown = dollars(abs(microdollars))
    return shown if shown == dollars(0) else f"{'+' if microdollars > 0 else '-'}{shown}"


def _print_json(found: Report | Comparison) -> None:
    typer.echo(msgspec.json.encode(found).decode())
