"""`GET /calls/live` and `GET /calls/{sid}/live`: what happens in calls, told while it happens.

Words are told as they come, whether or not they are kept; `?words=false` leaves out all of them. Numbers are
masked where none are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from callbridge.call.facts import CallDescribed
from callbridge.observe.feed import FeedItem, LiveEvent, LiveFact, encode_event
from callbridge.records.keeping import kept
from callbridge.server.config.records import showing
from callbridge.server.http.event_stream import EventStream
from callbridge.server.http.openapi import EVENTS, Operation
from callbridge.server.http.recorded_calls import Refusal, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from callbridge.call.facts import Fact
    from callbridge.records.keeping import Keeping
    from callbridge.server.process.desk import Desk

LIVE_PATH: Final = "/calls/live"
LIVE_CALL_PATH: Final = "/calls/{sid}/live"

FOLLOWERS_MAX: Final = 8
"""Each keeps a connection of the control listener, which has twice as many."""


class LiveQuery(msgspec.Struct, frozen=True):
    """What is told."""

    words: Annotated[bool, msgspec.Meta(description="What is said, too.")] = True


class Hello(LiveEvent, frozen=True, tag="hello"):
    """The first event: which calls this process carries."""

    live_calls: list[str]
    is_leaving: bool = False
    """Whether it is a worker that is replaced, and has been told so."""
    process: str = ""
    """Its name: that of its machine, and behind the last `-` that of its start."""


@dataclass(slots=True)
class Following:
    """The endpoints."""

    desk: Desk
    _followers: int = field(default=0, init=False)

    async def all(self, request: Request) -> ASGIApp:
        """The events of all calls."""
        return self._stream(request, None)

    async def one(self, request: Request) -> ASGIApp:
        """The events of one call."""
        call_sid = request.path_params["sid"]
        if self.desk.live_calls.find(call_sid) is None:
            return refusal(HTTPStatus.NOT_FOUND, "No such call is live in this process.")
        return self._stream(request, call_sid)

    def _stream(self, request: Request, call_sid: str | None) -> ASGIApp:
        if self._followers >= FOLLOWERS_MAX:
            return refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{FOLLOWERS_MAX} readers follow already: end one of them."
            )
        try:
            with_words = msgspec.convert(dict(request.query_params), LiveQuery, strict=False).words
        except msgspec.ValidationError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        desk = self.desk
        events = desk.feed.subscribe(call_sid, with_words=with_words)
        live_calls = desk.live_calls.call_sids if call_sid is None else [call_sid]
        keeping = showing(desk.settings, words=with_words)
        hello = Hello(
            at=desk.wall_now(),
            live_calls=live_calls,
            is_leaving=desk.feed.is_left,
            process=desk.state.process,
        )
        return self._counted(EventStream(events, ("hello", _encode_hello(hello)), _teller(keeping)))

    def _counted(self, stream: EventStream) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self._followers += 1
            try:
                await stream(scope, receive, send)
            finally:
                self._followers -= 1

        return counted


def live_operations() -> tuple[Operation, Operation]:
    """What can be asked, in the order of the endpoints: all calls, one."""
    refusals = {422: Refusal, 503: Refusal}
    return (
        Operation(
            method="GET",
            path=LIVE_PATH,
            summary="What happens in all live calls, as server-sent events. The first is `hello`.",
            answer=Hello | FeedItem,
            media_type=EVENTS,
            query=LiveQuery,
            refusals=refusals,
        ),
        Operation(
            method="GET",
            path=LIVE_CALL_PATH,
            summary="What happens in one live call, as server-sent events. The first is `hello`.",
            answer=Hello | FeedItem,
            media_type=EVENTS,
            query=LiveQuery,
            refusals=refusals | {404: Refusal},
        ),
    )


_encode_hello: Final = msgspec.json.Encoder().encode


def _teller(keeping: Keeping) -> Callable[[FeedItem], tuple[str, bytes]]:
    """Makes messages of events: what `keeping` does not show is not in them."""

    def told(event: FeedItem) -> tuple[str, bytes]:
        if isinstance(event, LiveFact):
            event = msgspec.structs.replace(event, fact=shown(event.fact, keeping))
        return str(event.__struct_config__.tag), encode_event(event)

    return told


def shown(fact: Fact, keeping: Keeping) -> Fact:
    """The fact as it may be shown. What a network has said of a caller may be their number."""
    if isinstance(fact, CallDescribed) and not keeping.numbers:
        return msgspec.structs.replace(fact, caller_name="", parameters=())
    return kept(fact, keeping)
