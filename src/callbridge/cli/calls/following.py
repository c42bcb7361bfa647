"""`callbridge calls follow`: what happens in the calls of a running service, while it happens."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Annotated, Final

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callbridge.call.facts import CallClosed, CallOver, EndReason, StreamEnded
from callbridge.cli.calls.live_lines import STYLES, Line, LiveLines
from callbridge.cli.calls.merging import merged
from callbridge.cli.control_client import (
    ANSWER_S,
    ServiceError,
    in_words,
    refuse_strangers,
    service_clients,
)
from callbridge.cli.serve import settings_or_refusal
from callbridge.observe.feed import FeedEnded, FeedItem, LiveFact, LiveWords
from callbridge.records.in_words import moment
from callbridge.server.http.event_stream import HEARTBEAT_S
from callbridge.server.http.following import LIVE_CALL_PATH, LIVE_PATH, Hello

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.call.facts import Fact

SHORT: Final = 6
"""So many of the last characters of a CallSid tell calls apart."""

_decode_event: Final = msgspec.json.Decoder(FeedItem).decode
_decode_hello: Final = msgspec.json.Decoder(Hello).decode


def follow(
    call: Annotated[
        str, typer.Argument(metavar="[SID]", help="One call, by its CallSid or the end of it; else all.")
    ] = "",
    url: Annotated[
        str | None,
        typer.Option(help="Its control listener; by default on this machine, at CALLBRIDGE_CONTROL_PORT."),
    ] = None,
    words: Annotated[bool, typer.Option(help="What is said, as it comes.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="The events as they are, one JSON object a line.")
    ] = False,
) -> None:
    """Follow calls live: what is said and done, as it happens. Ctrl-C ends it, and no call.

    Numbers are masked. What is said is shown, whether or not it is kept. The calls of all workers of this
    machine are followed. Exit status 1 when the service
    cannot be asked.
    """
    settings = settings_or_refusal()
    console = Console(highlight=False)
    try:
        with service_clients(settings, url) as clients:
            call_sid = live_call(clients, call) if call else None
            events = live_events(clients, call_sid, with_words=words)
            _show_raw(console, events) if as_json else _show(console, events, call_sid)
    except ServiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        pass


def live_call(clients: Sequence[httpx.Client], name: str) -> str:
    """The CallSid of the live call that ends so, whichever process has it."""
    live = [sid for client in clients for sid in _live_calls(client)]
    found = [sid for sid in live if sid.endswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sid[-SHORT:] for sid in (found or live)[:20]) or "none"
    which = f"{len(found)} live calls end in" if found else "No live call of this service ends in"
    raise ServiceError(f"{which} {name!r}. Live: {known}.")


def _live_calls(client: httpx.Client) -> list[str]:
    for kind, data in _messages(client, LIVE_PATH, with_words=False):
        if kind == "hello":
            return _decode_hello(data).live_calls
    raise ServiceError("The service has ended.")


def live_events(
    clients: Sequence[httpx.Client], call_sid: str | None, *, with_words: bool
) -> Iterator[tuple[FeedItem | None, str]]:
    """Each event, and its text; None for one that only a newer version knows.

    One call of several workers is looked for in the events of all of them: it may move from one to another,
    and its webhooks are answered by any.
    """
    is_alone = len(clients) == 1
    path = LIVE_PATH if call_sid is None or not is_alone else LIVE_CALL_PATH.format(sid=call_sid)
    end = _End()
    for event, data in merged([_events(client, path, with_words=with_words) for client in clients]):
        if is_alone or call_sid is None or _is_of(event, call_sid):
            yield event, data
            if call_sid is not None and end.has_come(event):
                return


def _is_of(event: FeedItem | None, call_sid: str) -> bool:
    match event:
        case LiveFact(fact=fact):
            return fact.call_sid == call_sid
        case LiveWords(call_sid=sid):
            return sid == call_sid
        case _:
            return False


def _events(client: httpx.Client, path: str, *, with_words: bool) -> Iterator[tuple[FeedItem | None, str]]:
    """Those of one process, to its end."""
    for kind, data in _messages(client, path, with_words=with_words):
        if kind == "hello":
            continue
        try:
            event: FeedItem | None = _decode_event(data)
        except msgspec.DecodeError:
            event = None
        yield event, data
        if isinstance(event, FeedEnded):
            return


def _messages(client: httpx.Client, path: str, *, with_words: bool) -> Iterator[tuple[str, str]]:
    timeout = httpx.Timeout(ANSWER_S, read=2 * HEARTBEAT_S)
    params = {} if with_words else {"words": "false"}
    with in_words(client), client.stream("GET", path, params=params, timeout=timeout) as answer:
        refuse_strangers(client, answer)
        if answer.status_code != http.HTTPStatus.OK:
            answer.read()
            raise ServiceError(_refusal(client, answer))
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, line.removeprefix("data: ")


def _refusal(client: httpx.Client, answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return (
            f"What answers at {client.base_url} is no callbridge that can be followed "
            f"(HTTP {answer.status_code} for {answer.request.url.path}). Is --url right?"
        )


class _End:
    """Knows when nothing more will come of a call."""

    def __init__(self) -> None:
        self._has_caller_left = False

    def has_come(self, event: FeedItem | None) -> bool:
        """Whether `event` was the last of it."""
        return isinstance(event, LiveFact) and self._is_last(event.fact)

    def _is_last(self, fact: Fact) -> bool:
        match fact:
            case StreamEnded(reason=reason):
                self._has_caller_left = reason is EndReason.CALLER_HANGUP
            case CallClosed():
                return self._has_caller_left
            case CallOver():
                return True
            case _:
                pass
        return False


def _show_raw(console: Console, events: Iterator[tuple[FeedItem | None, str]]) -> None:
    for _, data in events:
        console.out(data, highlight=False)


def _show(console: Console, events: Iterator[tuple[FeedItem | None, str]], call_sid: str | None) -> None:
    lines = LiveLines()
    for event, _ in events:
        if event is not None:
            for line in lines.of(event):
                _print(console, line, shows_call=call_sid is None)


def _print(console: Console, line: Line, *, shows_call: bool) -> None:
    """One line in a file, for `grep`; on a terminal as many as it needs, the words below each other."""
    call = f"{line.call_sid[-SHORT:]:<{SHORT}}  " if shows_call else ""
    style = STYLES[line.who]
    head = Text.assemble((f"{moment(line.at):%H:%M:%S}  {call}", "dim"), (f"{line.who or '·':<6}  ", style))
    words = Text(line.text, "" if line.who in {"caller", "agent"} else style)
    if not console.is_terminal:
        console.print(head + words, soft_wrap=True)
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(head, words)
    console.print(grid)
