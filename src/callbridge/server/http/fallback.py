"""The webhooks of the fallback: a human was rung, a message was left.

What a caller gets whom the agent cannot serve is a ladder of documents (`telephony/ladder.py`); each step
asks here what follows it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from callbridge.call.facts import FallbackDialed, VoicemailLeft
from callbridge.server.config.addresses import (
    FALLBACK_DIALED_PATH,
    VOICEMAIL_LEFT_PATH,
    VOICEMAIL_STATUS_PATH,
)
from callbridge.server.http.forms import Forms, TwilioForm, twilio_routes, twiml_response
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.switchboard.putting_through import Ends, NotPutThrough, PutThrough, put_through
from callbridge.telephony import ladder, twiml

if TYPE_CHECKING:
    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk

_RECORDING_SID: Final = re.compile(r"RE[0-9a-f]{32}", re.IGNORECASE)

_log = structlog.get_logger()


def fallback_router(desk: Desk) -> APIRouter:
    """The routes of the fallback."""
    steps = _Steps(desk)
    return twilio_routes(
        {
            FALLBACK_DIALED_PATH: steps.fallback_dialed,
            VOICEMAIL_LEFT_PATH: steps.voicemail_left,
            VOICEMAIL_STATUS_PATH: steps.voicemail_status,
        }
    )


def fall_back(
    desk: Desk, form: TwilioForm, agent: str, *, leads_back: bool = False, is_repeated: bool = False
) -> str:
    """The first document of the fallback of this call; that the human is rung now is noted.

    Args:
        desk: of this process.
        form: what Twilio asks with.
        agent: the name of who was to have the call.
        leads_back: the call was known when it came to be one that the human's telephone forwards.
        is_repeated: Twilio was told the same before, or somebody asks who has captured its question.
    """
    found = _put_through(desk, form)
    if isinstance(found, PutThrough) and (leads_back or _rings_in_a_circle(desk, form)):
        found = NotPutThrough.LEADS_BACK
    if not is_repeated:
        if isinstance(found, PutThrough):
            desk.rings.began(form.call_sid, desk.caller_key(form.get("From")), desk.now())
        elif found is not NotPutThrough.NOBODY:
            _log.warning("human_not_rung", call_sid=form.call_sid, reason=found.value)
    return ladder.first_step(_plan(desk, found, agent))


def last_resort(desk: Desk, form: TwilioForm, agent: str) -> ladder.FallbackPlan:
    """The fallback of a call that is to get a stream, should Twilio run on behind it without asking."""
    return _plan(desk, _put_through(desk, form), agent)


def _plan(desk: Desk, found: PutThrough | NotPutThrough, agent: str) -> ladder.FallbackPlan:
    plan = desk.fallback_of(agent)
    if isinstance(found, PutThrough):
        return replace(plan, caller_id=found.caller_id)
    return replace(plan, dial="")


def comes_from_human(desk: Desk, form: TwilioForm) -> bool:
    """Whether the human's telephone has forwarded this call here. Only its first request is sure to tell."""
    return _put_through(desk, form) is NotPutThrough.LEADS_BACK


def _put_through(desk: Desk, form: TwilioForm) -> PutThrough | NotPutThrough:
    caller = form.get("From")
    ends = Ends(
        caller,
        form.get("To"),
        forwarded_from=(form.get("ForwardedFrom"), form.get("CalledVia")),
        is_anonymous=desk.caller_key(caller) == ANONYMOUS,
    )
    return put_through(ends, desk.fallback.dial, desk.settings.fallback_caller_id or "")


def _rings_in_a_circle(desk: Desk, form: TwilioForm) -> bool:
    """Whether too many calls of this caller ring the human already.

    Callers without a number cannot be told apart; but the number that is shown for them leads back by itself.
    """
    key = desk.caller_key(form.get("From"))
    return key != ANONYMOUS and desk.rings.is_busy(form.call_sid, key, desk.now())


class _Steps:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)

    async def fallback_dialed(self, request: Request) -> Response:
        """A human was rung: who was not connected to them is followed by voicemail."""
        form = await self._forms.read(request)
        status, bridged = form.get("DialCallStatus"), form.get("DialBridged")
        self._desk.rings.ended(form.call_sid)
        if await self._desk.note_once(form.call_sid, FallbackDialed(status, bridged)):
            _log.info("fallback_dialed", call_sid=form.call_sid, status=status, bridged=bridged)
        plan = self._desk.fallback_of(await self._desk.agent_of(form.call_sid))
        return twiml_response(ladder.after_dial(plan, status, bridged))

    async def voicemail_left(self, request: Request) -> Response:
        """The recording is over. A message goes into the record of the call; who said nothing gets a word."""
        form = await self._forms.read(request)
        duration = form.get("RecordingDuration")
        await self._note_voicemail(form, "silent" if ladder.is_silence(duration) else "left")
        plan = self._desk.fallback_of(await self._desk.agent_of(form.call_sid))
        return twiml_response(ladder.after_voicemail(plan, duration))

    async def voicemail_status(self, request: Request) -> Response:
        """The recording of a message can be fetched. The same recording again, or the first news of it."""
        form = await self._forms.read(request)
        await self._note_voicemail(form, form.get("RecordingStatus"))
        return twiml_response(twiml.empty())

    async def _note_voicemail(self, form: TwilioForm, status: str) -> None:
        left = VoicemailLeft(recording_sid(form), form.get("RecordingDuration"), status)
        if not await self._desk.note_once(form.call_sid, left):
            return
        _log.info(
            "voicemail",
            call_sid=form.call_sid,
            recording_sid=left.recording_sid,
            duration_s=left.duration_s,
            status=status,
        )


def recording_sid(form: TwilioForm) -> str:
    """The name of a recording, which tells nobody anything who has no key to the account; its address does.

    The action of `<Record>` is promised the address alone, whose last part is the name.
    """
    named = form.get("RecordingSid") or form.get("RecordingUrl").rpartition("/")[2]
    found = _RECORDING_SID.match(named)
    return found[0] if found else ""
