"""`callbridge drain`: for deploy scripts, to empty a running service before it is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import httpx
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
from callbridge.server.http.control import DRAIN_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POLL_S = 1.0
MISSES_MAX = 5
"""Polls in a row without an answer: one lost packet is no reason to stop a deploy that waits for an hour."""


class DrainError(ServiceError):
    """It cannot be said that no call is left; the message says why, and what to do."""


class Report(msgspec.Struct, frozen=True):
    """What the service answers."""

    state: str
    live_calls: int


def drain(
    url: Annotated[
        str | None,
        typer.Option(help="Its control listener; by default on this machine, at CALLBRIDGE_CONTROL_PORT."),
    ] = None,
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long to wait for the last call.")] = 3600,
    undo: Annotated[bool, typer.Option("--undo", help="Have it take calls again.")] = False,
) -> None:
    """Have a running service take no new calls, and wait until its last one has ended.

    It goes on serving the calls that it has, and does not exit: stop it afterwards, or undo it. All workers
    of this machine are asked.
    Exit status 1 when calls are left, or when the service cannot be asked.
    """
    settings = settings_or_refusal()
    try:
        with service_clients(settings, url) as clients:
            if undo:
                take_calls_again(clients, say=typer.echo)
            else:
                wait_for_the_last_call(clients, wait_seconds, say=typer.echo)
    except ServiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def take_calls_again(clients: Sequence[httpx.Client], *, say: Callable[[str], object]) -> None:
    """Takes a drain back.

    Raises:
        DrainError: it is too late for it.
        ServiceError: it was refused, or the service cannot be reached.
    """
    for report in [_asked(client, "DELETE") for client in clients]:
        if report.state != "serving":
            raise DrainError(f"Too late: a signal has told the service to stop, and it is {report.state}.")
    say("it takes calls")


def wait_for_the_last_call(
    clients: Sequence[httpx.Client],
    wait_s: float,
    *,
    say: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Begins the drain, then waits until no call is live; says the number when it changes.

    Raises:
        DrainError: time is up.
        ServiceError: it was refused, or the service cannot be reached.
    """
    ends_at = clock() + wait_s
    live = _live_calls(clients, "POST")
    say(_in_words(live))
    misses = 0
    while live:
        if clock() >= ends_at:
            raise DrainError(
                f"After {wait_s:g} s: {_in_words(live)}. The service still drains: run this again to wait "
                "longer, or stop it, and it hands its calls over after CALLBRIDGE_DRAIN_SECONDS."
            )
        sleep(POLL_S)
        try:
            latest = _live_calls(clients, "GET")
        except NoAnswerError as error:
            misses += 1
            if misses >= MISSES_MAX:
                raise DrainError(f"{error} When it last answered: {_in_words(live)}.") from error
            continue
        misses = 0
        if latest != live:
            say(_in_words(latest))
        live = latest


def _live_calls(clients: Sequence[httpx.Client], method: str) -> int:
    return sum([_asked(client, method).live_calls for client in clients])


def _asked(client: httpx.Client, method: str) -> Report:
    with in_words(client):
        response = client.request(method, DRAIN_PATH)
    refuse_strangers(client, response)
    try:
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=Report)
    except (httpx.HTTPStatusError, msgspec.DecodeError) as error:
        raise ServiceError(
            f"What answers at {client.base_url} is no callbridge that can be drained "
            f"(HTTP {response.status_code} for {DRAIN_PATH}). Is --url right?"
        ) from error


def _in_words(live: int) -> str:
    match live:
        case 0:
            return "no call is live"
        case 1:
            return "1 call is live"
        case _:
            return f"{live} calls are live"
