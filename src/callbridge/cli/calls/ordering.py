"""`callbridge calls end` and `callbridge calls hand-over`: what is to become of a live call."""

from __future__ import annotations

import contextlib
import http
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
import typer

from callbridge.cli.control_client import (
    NoAnswerError,
    ServiceError,
    in_words,
    refuse_strangers,
    service_clients,
)
from callbridge.cli.serve import settings_or_refusal
from callbridge.server.http.orders import END_PATH, HAND_OVER_PATH, Ordered
from callbridge.server.http.recorded_calls import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

_Sid: TypeAlias = Annotated[str, typer.Argument(metavar="SID", help="Its CallSid, whole.")]
_Url: TypeAlias = Annotated[
    str | None,
    typer.Option(help="A control listener; by default on this machine, at CALLBRIDGE_CONTROL_PORT."),
]


def end(call: _Sid, url: _Url = None) -> None:
    """End a live call: the agent says goodbye first.

    Any process of the number may be asked, whichever carries the call. Exit status 1 when it is not live.
    """
    _order(END_PATH, call, url)


def hand_over(call: _Sid, url: _Url = None) -> None:
    """Have a live call go on with another process, from the end of this turn.

    Twilio asks any process of the number what follows: that one goes on with the call, and knows what was
    said. Exit status 1 when it is not live.
    """
    _order(HAND_OVER_PATH, call, url)


def _order(path: str, call_sid: str, url: str | None) -> None:
    settings = settings_or_refusal()
    try:
        with service_clients(settings, url) as clients:
            typer.echo(order(clients, path, call_sid))
    except ServiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def order(clients: Sequence[httpx.Client], path: str, call_sid: str) -> str:
    """Asks one worker after the other for it; answers what was said to it.

    Workers without a common state know of their own calls alone; with one any of them tells who carries it.

    Raises:
        ServiceError: no such call is live, or the service cannot be asked.
    """
    for client in clients[:-1]:
        with contextlib.suppress(_NotHereError, NoAnswerError):
            return _asked(client, path, call_sid)
    return _asked(clients[-1], path, call_sid)


class _NotHereError(ServiceError):
    """This worker knows of no such call."""


def _asked(client: httpx.Client, path: str, call_sid: str) -> str:
    with in_words(client):
        response = client.post(path.format(sid=call_sid))
    refuse_strangers(client, response)
    try:
        if response.status_code != http.HTTPStatus.ACCEPTED:
            why = msgspec.json.decode(response.content, type=Refusal).error
            is_there = response.status_code != http.HTTPStatus.NOT_FOUND
            raise ServiceError(why) if is_there else _NotHereError(why)
        ordered = msgspec.json.decode(response.content, type=Ordered)
    except msgspec.DecodeError as error:
        raise ServiceError(
            f"What answers at {client.base_url} is no callbridge that knows this (HTTP "
            f"{response.status_code}). Is --url right?"
        ) from error
    return f"{ordered.call_sid} was told; it is carried by {ordered.carried_by}"
