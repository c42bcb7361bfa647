"""The webhooks of the fallback: a human was rung, a message was left.

What a caller gets whom the agent cannot serve is a ladder of documents (`telephony/twiml.py`); each step asks
here what follows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter

from callbridge.call.facts import FallbackDialed, VoicemailLeft
from callbridge.server.config.addresses import (
    FALLBACK_DIALED_PATH,
    VOICEMAIL_LEFT_PATH,
    VOICEMAIL_STATUS_PATH,
)
from callbridge.server.http.forms import Forms, TwilioForm, twiml_response
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.telephony import twiml

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk

_log = structlog.get_logger()


def fallback_router(desk: Desk) -> APIRouter:
    """The routes of the fallback."""
    steps = _Steps(desk)
    router = APIRouter()
    for path, endpoint in (
        (FALLBACK_DIALED_PATH, steps.fallback_dialed),
        (VOICEMAIL_LEFT_PATH, steps.voicemail_left),
        (VOICEMAIL_STATUS_PATH, steps.voicemail_status),
    ):
        router.add_route(path, endpoint, methods=["GET", "POST"])
    return router


def fallback_plan_for(desk: Desk, form: TwilioForm) -> twiml.FallbackPlan:
    """The fallback of this call: to ring a human Twilio needs a number, and not every caller has one."""
    caller, called = form.get("From"), form.get("To")
    has_number = caller.startswith("+") and desk.caller_key(caller) != ANONYMOUS
    if has_number or not called.startswith("+"):
        return desk.fallback
    return replace(desk.fallback, caller_id=called)


class _Steps:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)

    async def fallback_dialed(self, request: Request) -> Response:
        """A human was rung: who was not reached is followed by voicemail."""
        form = await self._forms.read(request)
        status = form.get("DialCallStatus")
        _log.info("fallback_dialed", call_sid=form.call_sid, status=status)
        self._desk.note(form.call_sid, FallbackDialed(status))
        return twiml_response(twiml.after_dial(self._desk.fallback, status))

    async def voicemail_left(self, request: Request) -> Response:
        """The caller has spoken a message. Where it is to be found goes into the record of the call."""
        form = await self._forms.read(request)
        self._note_voicemail(form)
        return twiml_response(twiml.hang_up())

    async def voicemail_status(self, request: Request) -> Response:
        """The recording of a message can be fetched. The same address again, or the first news of it."""
        form = await self._forms.read(request)
        self._note_voicemail(form)
        return twiml_response(twiml.empty())

    def _note_voicemail(self, form: TwilioForm) -> None:
        status = form.get("RecordingStatus") or "left"
        left = VoicemailLeft(form.get("RecordingUrl"), form.get("RecordingDuration"), status)
        self._desk.note(form.call_sid, left)
        _log.info(
            "voicemail",
            call_sid=form.call_sid,
            recording=left.url,
            duration_s=left.duration_s,
            status=status,
        )
