"""`GET /calls/live` and `GET /calls/{sid}/live`: what happens in calls, told while it happens.

Words are told as they come, and kept by nobody; `?words=false` leaves them out. Numbers are masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from fastapi.responses import JSONResponse

from callbridge.call.facts import CallDescribed, CallOffered, StreamStarted
from callbridge.call.telephone_facts import TransferAsked
from callbridge.observe.feed import LiveFact, encode_event
from callbridge.observe.redaction import masked_number
from callbridge.server.http.event_stream import EventStream

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from callbridge.call.facts import Fact
    from callbridge.observe.feed import FeedItem
    from callbridge.server.process.desk import Desk

LIVE_PATH: Final = "/calls/live"
LIVE_CALL_PATH: Final = "/calls/{sid}/live"

FOLLOWERS_MAX: Final = 8
"""Each keeps a connection of the control listener, which has twice as many."""


class Hello(msgspec.Struct, frozen=True):
    """The first event: which calls this process carries."""

    live_calls: list[str]


@dataclass(slots=True)
class Following:
    """The endpoints."""

    desk: Desk
    _followers: int = 0

    async def all(self, request: Request) -> ASGIApp:
        """The events of all calls."""
        return self._stream(request, None)

    async def one(self, request: Request) -> ASGIApp:
        """The events of one call."""
        call_sid = request.path_params["sid"]
        if self.desk.live_calls.find(call_sid) is None:
            return _refusal(HTTPStatus.NOT_FOUND, "No such call is live in this process.")
        return self._stream(request, call_sid)

    def _stream(self, request: Request, call_sid: str | None) -> ASGIApp:
        if self._followers >= FOLLOWERS_MAX:
            return _refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{FOLLOWERS_MAX} readers follow already: end one of them."
            )
        with_words = request.query_params.get("words", "true") != "false"
        events = self.desk.feed.subscribe(call_sid, with_words=with_words)
        live_calls = self.desk.live_calls.call_sids if call_sid is None else [call_sid]
        return self._counted(EventStream(events, ("hello", _encode_hello(Hello(live_calls))), _told))

    def _counted(self, stream: EventStream) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self._followers += 1
            try:
                await stream(scope, receive, send)
            finally:
                self._followers -= 1

        return counted


_encode_hello: Final = msgspec.json.Encoder().encode


def _told(event: FeedItem) -> tuple[str, bytes]:
    if isinstance(event, LiveFact):
        event = msgspec.structs.replace(event, fact=without_numbers(event.fact))
    return str(event.__struct_config__.tag), encode_event(event)


def without_numbers(fact: Fact) -> Fact:
    """The fact as it may be shown: numbers of people masked, and what may hold them left out."""
    match fact:
        case StreamStarted(caller, called) | CallOffered(caller, called):
            return msgspec.structs.replace(fact, caller=masked_number(caller), called=masked_number(called))
        case CallDescribed():
            return msgspec.structs.replace(fact, caller_name="", parameters=())
        case TransferAsked(transfer=transfer):
            address = masked_number(transfer.address)
            return msgspec.structs.replace(fact, transfer=msgspec.structs.replace(transfer, address=address))
        case _:
            return fact


def _refusal(status: HTTPStatus, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status)
