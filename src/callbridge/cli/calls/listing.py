"""`callbridge calls list`: the calls on record, a line each, the latest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callbridge.cli.calls import wanted as options
from callbridge.cli.calls.of_dev import OfDev, settings_for
from callbridge.cli.calls.wanted import summaries, wanted_calls
from callbridge.cli.records_database import records_database
from callbridge.observe.redaction import escaped
from callbridge.records.in_words import dollars, length, moment
from callbridge.state.neighbours import machine_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.records.call_list import CallSummary
    from callbridge.server.config.settings import Settings

SHORT = 6
"""So many of the last characters of a CallSid tell calls apart."""

_MEANT = frozenset({"caller_hangup", "agent_hangup", "transferred"})


def list_calls(
    since: options.Since = "",
    until: options.Until = "",
    agent: options.Agent = "",
    caller: options.Caller = "",
    ended: options.Ended = "",
    live: Annotated[bool, typer.Option("--live", help="Only those that are on.")] = False,
    longer_than: options.LongerThan = "",
    words: options.Words = "",
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    is_of_dev: OfDev = False,
) -> None:
    """List calls on record, the latest first. `callbridge calls show SID` shows one.

    SID may be the last characters of a CallSid, as they are listed here. What is given holds together.
    """
    settings = settings_for(is_of_dev=is_of_dev)
    wanted = wanted_calls(
        settings,
        since=since,
        until=until,
        agent=agent,
        caller=caller,
        ended=ended,
        longer_than=longer_than,
        words=words,
    )
    if live:
        wanted = msgspec.structs.replace(wanted, state="live")
    with records_database(settings) as database:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow

        records = Records(database)
        found = list(summaries(records, wanted, limit + 1))
        shown = found[:limit]
        carried = [] if as_json else [call.call_sid for call in shown if call.state == "live"]
        carriers = records.carriers(carried) if carried else {}
    if as_json:
        for call in shown:
            typer.echo(msgspec.json.encode(call).decode())
        return
    console = Console(highlight=False)
    if shown:
        console.print(call_table(shown, carriers))
    for line in _remarks(settings, len(found), limit, words):
        console.print(Text(line, "dim"))


def call_table(calls: list[CallSummary], carriers: Mapping[str, str]) -> Table:
    """A line for each; of those that are live also where, by the processes that carry them."""
    table = Table(box=None, padding=(0, 1, 0, 0), expand=False, header_style="dim")
    for name in ("time", "call", "caller"):
        table.add_column(name, no_wrap=True)
    table.add_column("agent", no_wrap=True, overflow="ellipsis", ratio=2)
    for name in ("length", "turns"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("ended", no_wrap=True, overflow="ellipsis", ratio=3)
    for name in ("p50 ms", "cost"):
        table.add_column(name, no_wrap=True, justify="right")
    for call in calls:
        table.add_row(*_cells(call, machine_of(carriers.get(call.call_sid, ""))))
    return table


def _cells(call: CallSummary, machine: str) -> list[str | Text]:
    is_live = call.state == "live"
    style = "green" if is_live else ("" if call.end_reason in _MEANT else "yellow")
    live = f"live at {machine}" if machine else "live"
    ended = live if is_live else (call.end_reason or call.state).replace("_", " ")
    return [
        f"{moment(call.began_at):%d %b %H:%M}",
        Text(call.call_sid[-SHORT:], "bold"),
        Text(escaped(call.caller)),
        Text(escaped(call.agent)),
        length(call.duration_ms) if call.duration_ms else "",
        str(call.turns),
        Text(escaped(ended), style),
        "" if call.response_p50_ms is None else f"{call.response_p50_ms:,}",
        dollars(call.cost_microdollars),
    ]


def _remarks(settings: Settings, found: int, limit: int, words: str) -> list[str]:
    if found > limit:
        return [f"The latest {limit}. There are more: --limit"]
    if found:
        return []
    if words and not settings.keep_words:
        return ["None. Words are not kept: CALLBRIDGE_KEEP_WORDS is not true."]
    return ["There is no such call on record."]
