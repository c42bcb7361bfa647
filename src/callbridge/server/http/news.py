"""The webhooks by which Twilio tells what it saw of a stream and of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from callbridge.call.facts import CallReported, StreamReported
from callbridge.server.config.addresses import CALL_STATUS_PATH, STREAM_STATUS_PATH
from callbridge.server.http.forms import Forms, twilio_routes, twiml_response
from callbridge.server.http.transfers import Transfers
from callbridge.server.process.tellings import ENDED, tell_its_carrier
from callbridge.switchboard.continuation import CALL_OVER, read_history
from callbridge.telephony import twiml

if TYPE_CHECKING:
    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk

_log = structlog.get_logger()


def news_router(desk: Desk) -> APIRouter:
    """The routes of the news."""
    news = _News(desk)
    return twilio_routes({STREAM_STATUS_PATH: news.stream_status, CALL_STATUS_PATH: news.call_status})


class _News:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)
        self._transfers = Transfers(desk)

    async def stream_status(self, request: Request) -> Response:
        """What Twilio saw of a stream; the only news of one that never reached us."""
        form = await self._forms.read(request)
        status = form.get("StreamEvent")
        news = StreamReported(status, form.get("StreamError"), form.get("StreamSid"))
        if not await self._desk.note_once(form.call_sid, news):
            return twiml_response(twiml.empty())
        log = _log.bind(call_sid=form.call_sid, stream_sid=form.get("StreamSid"), status=status)
        if status == "stream-error":
            log.warning("stream_status", error=form.get("StreamError"))
        else:
            log.info("stream_status")
        return twiml_response(twiml.empty())

    async def call_status(self, request: Request) -> Response:
        """How Twilio saw the call go on; the order of these is not guaranteed."""
        form = await self._forms.read(request)
        news = CallReported(form.get("CallStatus"), form.get("CallDuration"))
        if not await self._desk.note_once(form.call_sid, news):
            return twiml_response(twiml.empty())
        _log.info(
            "call_status",
            call_sid=form.call_sid,
            status=news.status,
            duration_s=news.duration_s,
            sequence_number=form.get("SequenceNumber"),
        )
        if news.status in CALL_OVER:
            known = await self._desk.events(form.call_sid)
            tell_its_carrier(self._desk, form.call_sid, read_history(known), ENDED)
            await self._transfers.caller_is_gone(form.call_sid)
            await self._desk.recalling.is_over(form.call_sid, form.get("From"))
            self._desk.release(form.call_sid)
        return twiml_response(twiml.empty())
