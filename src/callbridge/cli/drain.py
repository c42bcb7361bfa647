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
    answers,
    every_client,
    in_words,
    refuse_strangers,
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
    process: str = ""
    """Who has said so; nothing by an older version."""
    is_replaced: bool = False


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
    of this machine are asked, and whoever takes the place of one of them meanwhile.
    Exit status 1 when calls are left, or when the service cannot be asked.
    """
    settings = settings_or_refusal()
    try:
        with every_client(settings, url) as clients:
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
    for _, report in _reports(clients, "DELETE"):
        if report.state != "serving" and not report.is_replaced:
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
    told = _Told(clients, say)
    live = told.begin()
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
            latest = told.look()
        except NoAnswerError as error:
            misses += 1
            if misses >= MISSES_MAX:
                raise DrainError(f"{error} When it last answered: {_in_words(live)}.") from error
            continue
        misses = 0
        if latest != live:
            say(_in_words(latest))
        live = latest


class _Told:
    """Who was told to take no calls, and who has come since."""

    def __init__(self, clients: Sequence[httpx.Client], say: Callable[[str], object]) -> None:
        self._clients, self._say = clients, say
        self._processes: set[str] = set()

    def begin(self) -> int:
        """Tells all; answers how many calls are live."""
        return self._live_calls(_reports(self._clients, "POST"))

    def look(self) -> int:
        """Tells those who have taken the place of another one; answers the same."""
        found = _reports(self._clients, "GET")
        come = [client for client, report in found if self._has_come(report)]
        if come:
            self._say("a process was replaced meanwhile: the new one is to take no calls either")
            _reports(come, "POST")
        return self._live_calls(found)

    def _has_come(self, report: Report) -> bool:
        """One that was told and serves was told otherwise since, by somebody else."""
        return report.state == "serving" and report.process not in self._processes

    def _live_calls(self, found: Sequence[tuple[httpx.Client, Report]]) -> int:
        self._processes |= {report.process for _, report in found}
        return sum(report.live_calls for _, report in found)


def _reports(clients: Sequence[httpx.Client], method: str) -> list[tuple[httpx.Client, Report]]:
    """What all say who are there.

    Raises:
        NoAnswerError: one of them does not answer, though it listens.
    """
    found = []
    for client, report in answers(clients, lambda client: _asked(client, method)):
        if isinstance(report, NoAnswerError):
            raise report
        found.append((client, report))
    return found


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
