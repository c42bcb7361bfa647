"""`callbridge deliveries`: what others are told of calls: what came of it, sent again, tried out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from callbridge.agents.http.kept_connections import KeptConnections
from callbridge.cli.call_names import named_sid
from callbridge.cli.records_database import records_database
from callbridge.cli.serve import settings_or_refusal
from callbridge.records.outbox.body import body_of, iso
from callbridge.records.outbox.delivery import DeliveryState, Filter
from callbridge.records.outbox.events import CALL_COMPLETED, OF_CALLS
from callbridge.records.outbox.sample import SAMPLE_SID, sample_event
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.records.outbox.webhook import Webhook
from callbridge.server.config.nats import nats_servers, read_receivers
from callbridge.server.config.settings import find_variables
from callbridge.server.config.webhooks import WebhooksError
from callbridge.server.errands.nats_check import told_nats
from callbridge.server.process.outbox.webhook_posting import Posted, Posting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.records.outbox.deliveries import Outbox
    from callbridge.records.outbox.delivery import Delivery
    from callbridge.records.outbox.receiver import Receiver
    from callbridge.server.config.settings import Settings

deliveries = typer.Typer(
    help="What others are told of calls: seen, sent again, tried out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Name = Annotated[str, typer.Option("--webhook", metavar="NAME", help="Of this receiver alone.")]
Id = Annotated[int, typer.Argument(metavar="ID", help="Its number in the list.", show_default=False)]
Sid = Annotated[
    str, typer.Argument(metavar="SID", help="Its CallSid, or the last characters of it.", show_default=False)
]


# --- Seeing -------------------------------------------------------------------------------------------


@deliveries.command("list")
def list_deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="In this state alone.")] = None,
    webhook: Name = "",
    call: Annotated[str, typer.Option(metavar="SID", help="Of this call alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at the most.")] = 50,
    as_json: Json = False,
) -> None:
    """Show what was and is to be told, the newest first, and which receivers are stopped."""
    with _outbox() as outbox:
        call_sid = call and _sid(outbox, call)
        found, stopped = outbox.listed(Filter(state, webhook, call_sid, limit)), outbox.stopped()
    if as_json:
        _print_json([_as_dict(one) for one in found])
        return
    for name, since in stopped.items():
        typer.echo(f"{name} answered 410 Gone at {iso(since)}: it is told nothing more, until `retry`.")
    if not found:
        typer.echo("There is no such delivery.")
        return
    call_column = Column("call", no_wrap=True, min_width=len(SAMPLE_SID))  # It is copied from here.
    table = Table("ID", "to", "event", call_column, "state", "failed", "next", "last", box=None)
    for one in found:
        table.add_row(*map(Text, _row(one)))
    Console(soft_wrap=False).print(table)


def _row(one: Delivery) -> Iterable[str]:
    due = iso(one.due_at) if one.state is DeliveryState.PENDING else ""
    last = one.last_error or (str(one.last_code) if one.last_code else "")
    return (
        str(one.id),
        one.webhook,
        one.event.kind,
        one.event.call_sid,
        one.state,
        str(one.failed),
        due,
        last,
    )


@deliveries.command("show")
def show_delivery(delivery_id: Id, as_json: Json = False) -> None:
    """Show one with all its attempts, and the body that callbridge makes of it.

    What is said in a call is shown where it is kept at all.
    """
    with _outbox() as outbox:
        found = outbox.found(delivery_id)
    if found is None:
        typer.echo(f"There is no delivery {delivery_id}.", err=True)
        raise typer.Exit(1)
    told = _as_dict(found) | {
        "attempts": [msgspec.to_builtins(attempt) | {"at": iso(attempt.at)} for attempt in found.attempts],
        "body": body_of(found.event),
    }
    if as_json:
        _print_json(told)
        return
    for name, value in told.items():
        if name not in {"attempts", "body"}:
            typer.echo(f"{name:<11} {value if value is not None else ''}")
    for attempt in told["attempts"]:
        otherwise = "nothing was to be sent" if found.state is DeliveryState.SKIPPED else "it was taken"
        what = attempt["error"] or attempt["code"] or otherwise
        typer.echo(f"attempt     {attempt['at']}  {attempt['took_ms']} ms  {what}")
    _print_json(told["body"])


def _as_dict(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "webhook": one.webhook,
        "event_id": one.event.id,
        "event": one.event.kind,
        "call_sid": one.event.call_sid,
        "at": iso(one.event.at),
        "state": one.state.value,
        "failed": one.failed,
        "due": iso(one.due_at) if one.state is DeliveryState.PENDING else None,
        "last_code": one.last_code,
        "last_error": one.last_error,
        "settled": None if one.settled_at is None else iso(one.settled_at),
    }


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


# --- Sending again ------------------------------------------------------------------------------------


@deliveries.command()
def retry(
    delivery_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="One; without it all dead.")
    ] = None,
    webhook: Name = "",
) -> None:
    """Have one sent again, or all that are dead; the service does it at once.

    A receiver that had answered 410 Gone is told again, too.
    A receiver that had it already knows it by its `webhook-id`.
    """
    with _outbox() as outbox:
        count = outbox.send_again(time.time(), delivery_id=delivery_id, webhook=webhook)
    if not count:
        typer.echo("There is nothing to send again.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{count} to be sent again")


@deliveries.command()
def send(
    call: Sid,
    event: Annotated[str, typer.Option(help=f"{', '.join(OF_CALLS)}.")] = CALL_COMPLETED,
) -> None:
    """Have a call told as it is known now, whether it was told before or not; the service does it at once."""
    if event not in OF_CALLS:
        raise typer.BadParameter(f"there are {', '.join(OF_CALLS)}", param_hint="--event")
    with _outbox() as outbox:
        from callbridge.records.reading import Records  # noqa: PLC0415 - with SQLAlchemy, which is slow

        story = Records(outbox.database).story(_sid(outbox, call))
        count = 0 if story is None else outbox.send_call(story, event, time.time())
    if not count:
        known = "no call of this SID is on record" if story is None else f"no receiver wants {event}"
        typer.echo(f"Nothing is sent: {known}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{count} to be sent")


# --- Trying out ---------------------------------------------------------------------------------------


@deliveries.command("test")
def try_out(webhook: Name = "") -> None:
    """Send a sample to each receiver, to webhooks signed as a real one, and say what came back.

    It is sent from this machine, and tells of a call CA000…, of +14155550100. Exit status 1 when one of them
    did not take it.
    """
    settings = settings_or_refusal()
    chosen = [one for one in _receivers(settings) if webhook in {"", one.name}]
    if not chosen:
        typer.echo(f"There is no receiver {webhook}." if webhook else _NOBODY, err=True)
        raise typer.Exit(1)
    told = asyncio.run(_tried(chosen, settings))
    for place, posted in told:
        typer.echo(f"{place}: {_in_words(posted)}")
    if any(posted.error for _, posted in told):
        raise typer.Exit(1)


_NOBODY: Final = (
    "Nobody is told of calls: set CALLBRIDGE_WEBHOOKS, or CALLBRIDGE_WEBHOOK_URL and "
    "CALLBRIDGE_WEBHOOK_SECRET, or NATS_URL."
)


async def _tried(receivers: Iterable[Receiver], settings: Settings) -> list[tuple[str, Posted]]:
    """Where each is, and what came back."""
    told, event = [], sample_event(time.time())
    async with KeptConnections() as connections:
        posting = Posting(connections)
        for one in receivers:
            if isinstance(one, Webhook):
                told.append((f"{one.name} at {one.place}", await posting.post(one, event)))
            elif isinstance(one, NatsReceiver):
                servers = nats_servers(settings)
                error = await told_nats(one, servers, event)
                told.append((f"{one.name} at {servers.name}", Posted(error=error)))
    return told


def _in_words(posted: Posted) -> str:
    if posted.is_skipped:
        return "its template wants nothing sent of this call"
    return posted.error or (f"it took it ({posted.code})" if posted.code else "it took it")


# --- What they share ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _outbox() -> Iterator[Outbox[Receiver]]:
    settings = settings_or_refusal()
    receivers = _receivers(settings)
    with records_database(settings) as database:
        from callbridge.records.outbox.deliveries import Outbox  # noqa: PLC0415 - with SQLAlchemy, which is slow

        yield Outbox(database, receivers)


def _sid(outbox: Outbox[Receiver], call: str) -> str:
    from callbridge.records.reading import Records  # noqa: PLC0415 - with SQLAlchemy, which is slow

    return named_sid(Records(outbox.database), call)


def _receivers(settings: Settings) -> tuple[Receiver, ...]:
    try:
        return read_receivers(settings, find_variables().values)
    except WebhooksError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
