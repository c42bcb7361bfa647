"""`callbridge calls follow`: what happens in the calls of a running service, while it happens."""

from __future__ import annotations

import http
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callbridge.cli.calls.attaching import (
    BrokeOff,
    Ended,
    Greeted,
    Leaves,
    News,
    Open,
    Say,
)
from callbridge.cli.calls.live_lines import STYLES, Line, LiveLines
from callbridge.cli.calls.merging import Item, Met, merged
from callbridge.cli.calls.on_record import story_on_record, where_it_is
from callbridge.cli.calls.whereabouts import AWAITED_S, LOOK_S, Whereabouts
from callbridge.cli.control_client import (
    ANSWER_S,
    NoAnswerError,
    NobodyListensError,
    ServiceError,
    answers,
    in_words,
    refuse_strangers,
    service_clients,
)
from callbridge.cli.serve import settings_or_refusal
from callbridge.observe.feed import FeedEnded, FeedItem, LiveFact, LiveWords, ProcessLeaves
from callbridge.records.in_words import moment
from callbridge.server.http.event_stream import HEARTBEAT_S
from callbridge.server.http.following import LIVE_CALL_PATH, LIVE_PATH, Hello
from callbridge.server.process.opened_state import machine_name
from callbridge.state.neighbours import machine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callbridge.cli.calls.attaching import Event
    from callbridge.cli.calls.merging import Told
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings

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
    machine are followed, and who takes the place of one that is replaced or lost. When one call goes on at
    another machine its name is told, as the record has it. Exit status 1 when the service cannot be asked, or
    is gone and does not come back.
    """
    settings = settings_or_refusal()
    console = Console(highlight=False)
    try:
        with service_clients(settings, url) as clients:
            call_sid = call_to_follow(settings, clients, call) if call else None
            record = None if call_sid is None else partial(story_on_record, settings, call_sid)
            has_others = settings.shared_state_url is not None
            events = live_events(clients, call_sid, record, with_words=words, has_others=has_others)
            _show_raw(console, events) if as_json else _show(console, events, call_sid)
    except ServiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        pass


def call_to_follow(settings: Settings, clients: Sequence[httpx.Client], name: str) -> str:
    """As `live_call`; of a call that is live at another machine it is told where.

    Raises:
        ServiceError: it is not live here, or the service cannot be asked.
    """
    try:
        return live_call(clients, name)
    except NotLiveHereError as error:
        story = story_on_record(settings, name)
        if story is None or story.state != "live" or not story.streams:
            raise
        stream = story.streams[-1]
        if machine_of(stream.process) in {"", machine_name(settings)}:
            raise
        raise ServiceError(f"{error} On record it is live, {where_it_is(story, stream)}") from None


class NotLiveHereError(ServiceError):
    """No such call is live in the processes that were asked."""


def live_call(clients: Sequence[httpx.Client], name: str) -> str:
    """The CallSid of the live call that ends so, whichever process has it."""
    found_live = answers(clients, _live_calls)
    live = [sid for _, sids in found_live if not isinstance(sids, NoAnswerError) for sid in sids]
    found = [sid for sid in live if sid.endswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sid[-SHORT:] for sid in (found or live)[:20]) or "none"
    if found:
        raise ServiceError(f"{len(found)} live calls end in {name!r}. Live: {known}.")
    raise NotLiveHereError(f"No live call of this service ends in {name!r}. Live: {known}.")


def _live_calls(client: httpx.Client) -> list[str]:
    for kind, data in _messages(client, LIVE_PATH, with_words=False):
        if kind == "hello":
            return _decode_hello(data).live_calls
    raise ServiceError("The service has ended.")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about who is followed, in words."""

    words: str


Record: TypeAlias = "Callable[[], CallStory | None]"
"""Reads the record of a call as it is now; nothing where it cannot be read."""

Followed: TypeAlias = tuple[FeedItem | None, str] | Notice
"""An event and its text, None for one that only a newer version knows; or what the reader should know."""


def live_events(
    clients: Sequence[httpx.Client],
    call_sid: str | None,
    record: Record | None = None,
    *,
    with_words: bool,
    has_others: bool = False,
) -> Iterator[Followed]:
    """What happens in all calls, or in one.

    One call of several workers is looked for in the events of all of them: it may move from one to another,
    and its webhooks are answered by any. Who takes the place of one that is replaced or lost is followed.

    Args:
        clients: of the processes of one service.
        call_sid: the one call; by default all.
        record: of that call, which tells at which other machine it goes on.
        with_words: what is said, too.
        has_others: whether other machines may go on with it when this service has ended.

    Raises:
        ServiceError: the service cannot be asked, or is gone.
    """
    is_alone = len(clients) == 1
    whereabouts = None if call_sid is None else Whereabouts(call_sid, carrier=0 if is_alone else None)
    for told in merged(len(clients), _Reading(clients, call_sid, with_words).read):
        match told:
            case Say(news, place):
                yield Notice(_SAID[is_alone, news].format(clients[place].base_url))
            case Item(_, event, text):
                if whereabouts is None or whereabouts.is_of_it(event) or (is_alone and _is_of_none(event)):
                    yield event, text
        if whereabouts is not None:
            now = time.monotonic()
            _note(whereabouts, told, now)
            if whereabouts.is_over:
                return
            if (last := _last_word(whereabouts, record, now)) is not None:
                yield last
                return
    if whereabouts is not None and record is not None and has_others:
        yield from _looked_for(whereabouts, record)


def _note(whereabouts: Whereabouts, told: Told, now: float) -> None:
    match told:
        case Say(News.LOST, place):
            whereabouts.lost(place, now)
        case Met(process):
            whereabouts.greeted(process)
        case Item(place, event, _):
            whereabouts.take(place, event, now)


def _looked_for(whereabouts: Whereabouts, record: Record) -> Iterator[Notice]:
    """Where a call goes on that was handed over before the service ended."""
    whereabouts.nobody_is_followed()
    if whereabouts.is_awaited:
        yield Notice("the call is to go on elsewhere: its record is asked where")
    while whereabouts.is_awaited:
        if (last := _last_word(whereabouts, record, time.monotonic())) is not None:
            yield last
            return
        time.sleep(LOOK_S)


def _last_word(whereabouts: Whereabouts, record: Record | None, now: float) -> Notice | None:
    """What is to be said of a call of which nothing more will be heard here."""
    if record is not None and whereabouts.asks_record(now) and (story := record()) is not None:
        stream = whereabouts.on_record(story)
        if stream is not None:
            return Notice(f"the call goes on {where_it_is(story, stream)}")
        if whereabouts.is_over:
            return Notice(f"the call is over, by its record: {story.end_reason.replace('_', ' ')}")
    if whereabouts.is_out_of_sight(now):
        return Notice(f"nothing was heard of it for {AWAITED_S:g} s: it is over, or goes on elsewhere")
    return None


_SAID: Final = {
    (False, News.REPLACED): "the worker at {} was replaced: the new one is followed as well",
    (False, News.LOST): "the worker at {} is lost: its calls go on with the others, and a new one is awaited",
    (False, News.BACK): "a new worker is at {}, and followed",
    (False, News.GIVEN_UP): "no new worker has come at {}: the others are followed",
    (True, News.REPLACED): "the process at {} was replaced: the new one is followed as well",
    (True, News.LOST): "the process at {} is lost, and a new one is awaited",
    (True, News.BACK): "a new process is at {}, and followed",
    (True, News.GIVEN_UP): "no new process has come at {}",
}
"""By whether there is one process alone."""


def _is_of_none(event: FeedItem | None) -> bool:
    return not isinstance(event, LiveFact | LiveWords)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads what one process tells."""

    clients: Sequence[httpx.Client]
    call_sid: str | None
    with_words: bool

    def read(self, opened: Open, put: Callable[[Item | Met | Event], None]) -> Event:
        """As `merged` wants it."""
        client, stream = self.clients[opened.place], opened.stream
        try:
            for kind, data in _messages(client, self._path(opened), with_words=self.with_words):
                if kind == "hello":
                    hello = _decode_hello(data)
                    if opened.is_again and hello.is_leaving:
                        return BrokeOff(stream, NoAnswerError("Only a process that leaves has answered."))
                    put(Greeted(stream, is_leaving=hello.is_leaving))
                    put(Met(hello.process))
                    continue
                item = Item(opened.place, _event(data), data)
                put(item)
                if isinstance(item.event, FeedEnded):
                    return Ended(stream)
                if isinstance(item.event, ProcessLeaves):
                    put(Leaves(stream))
        except NoAnswerError as error:
            return BrokeOff(stream, error, isinstance(error, NobodyListensError))
        except ServiceError as error:
            return Ended(stream, error)
        return BrokeOff(stream, NoAnswerError(f"The service at {client.base_url} has broken off."))

    def _path(self, opened: Open) -> str:
        """A call that is to come back is not live there yet."""
        is_here = self.call_sid is not None and len(self.clients) == 1 and not opened.is_again
        return LIVE_CALL_PATH.format(sid=self.call_sid) if is_here else LIVE_PATH


def _event(data: str) -> FeedItem | None:
    try:
        event: FeedItem = _decode_event(data)
    except msgspec.DecodeError:
        return None
    return event


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


def _show_raw(console: Console, events: Iterator[Followed]) -> None:
    for told in events:
        if isinstance(told, Notice):
            typer.echo(told.words, err=True)
        else:
            console.out(told[1], highlight=False)


def _show(console: Console, events: Iterator[Followed], call_sid: str | None) -> None:
    lines = LiveLines()
    for told in events:
        if isinstance(told, Notice):
            _print(console, Line(time.time(), "", "", told.words), shows_call=call_sid is None)
        elif told[0] is not None:
            for line in lines.of(told[0]):
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
