"""`callbridge status`: how a running service stands, for who is woken at night. It needs no other program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import httpx
import msgspec
import typer

from callbridge.cli.control_client import (
    NoAnswerError,
    ServiceError,
    answers,
    every_client,
    in_words,
    refuse_strangers,
)
from callbridge.cli.serve import settings_or_refusal
from callbridge.server.http.control import REASONS_PATH, Readiness
from callbridge.server.http.metrics import METRICS_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWERS: Final = frozenset({httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE})
"""The second one while calls are declined."""


def status(
    url: Annotated[
        str | None,
        typer.Option(help="Its control listener; by default on this machine, at CALLBRIDGE_CONTROL_PORT."),
    ] = None,
    *,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print what Prometheus reads in place of that.")
    ] = False,
) -> None:
    """Say how a running service stands: whether it takes calls, and if not why; how full it is.

    All workers of this machine are asked.
    Exit status 1 when one of them declines calls or does not answer, or when the service cannot be asked.
    """
    settings = settings_or_refusal()
    try:
        with every_client(settings, url) as clients:
            if metrics:
                tell_metrics(clients, say=typer.echo)
            elif not tell_status(clients, say=typer.echo):
                raise typer.Exit(1)
    except ServiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def tell_status(clients: Sequence[httpx.Client], *, say: Callable[[str], object]) -> bool:
    """Says it of each process; whether all of them answer, and take calls.

    Raises:
        ServiceError: it was refused, or the service cannot be reached.
    """
    found = answers(clients, readiness_of)
    say("\n\n".join("\n".join(_told(client, one)) for client, one in found))
    return not any(isinstance(one, NoAnswerError) or one.declines_for for _, one in found)


def _told(client: httpx.Client, one: Readiness | NoAnswerError) -> list[str]:
    if not isinstance(one, NoAnswerError):
        return in_lines(one)
    return [f"{'process':<11}does not answer at {client.base_url}: it starts, or its event loop hangs"]


def tell_metrics(clients: Sequence[httpx.Client], *, say: Callable[[str], object]) -> None:
    """Says what Prometheus would read of each process.

    Raises:
        ServiceError: as `tell_status`.
    """
    for client, page in answers(clients, lambda client: _asked(client, METRICS_PATH)):
        if isinstance(page, NoAnswerError):
            say(f"# The process at {client.base_url} does not answer.")
            continue
        if len(clients) > 1:
            say(f"# The process at {client.base_url}:")
        say(page.text.rstrip())


def in_lines(one: Readiness) -> list[str]:
    """How one process stands."""
    models = ", ".join(one.models_down)
    lines = [
        ("process", f"{one.process}, {one.state}"),
        ("new calls", _new_calls(one)),
        ("live calls", f"{one.live_calls}; {one.places_taken} of {one.places} places are taken"),
        ("spent", f"${one.spent_dollars_hour:.2f} in an hour, ${one.spent_dollars_day:.2f} in a day"),
        ("models", f"down: {models}" if models else "well"),
        ("state", one.state_file),
        ("records", one.records),
    ]
    for other in one.others:
        leaves = ", leaves" if other.is_leaving else ""
        lines.append(("beside it", f"{other.process}, live calls: {other.live_calls}{leaves}"))
    return [f"{name:<11}{told}" for name, told in lines]


def _new_calls(one: Readiness) -> str:
    if one.declines_for:
        return f"are declined: {', '.join(one.declines_for)}"
    return "go to the worker that replaces it" if one.is_replaced else "are taken"


def readiness_of(client: httpx.Client) -> Readiness:
    """How the process behind `client` stands.

    Raises:
        ServiceError: as `tell_status`.
    """
    response = _asked(client, REASONS_PATH)
    try:
        return msgspec.json.decode(response.content, type=Readiness)
    except msgspec.DecodeError as error:
        raise _no_callbridge(response) from error


def _asked(client: httpx.Client, path: str) -> httpx.Response:
    with in_words(client):
        response = client.get(path)
    refuse_strangers(client, response)
    if response.status_code not in ANSWERS:
        raise _no_callbridge(response)
    return response


def _no_callbridge(response: httpx.Response) -> ServiceError:
    return ServiceError(
        f"What answers at {response.url} is no callbridge of this version (HTTP {response.status_code}). "
        "Is --url right?"
    )
