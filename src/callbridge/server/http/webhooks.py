"""What Twilio asks over HTTP, and what a load balancer asks.

Every Twilio route works by POST and by GET. A ringing phone is answered from memory alone: no model, no
network and no disk stands before its TwiML. What follows a stream may be known to another process only, so
there the state is asked. Forms are read as they come, since Twilio adds parameters without notice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never
from urllib.parse import parse_qsl

import msgspec
import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from callbridge.call import facts
from callbridge.call.facts import (
    HTTP,
    CallOffered,
    CallReported,
    Fact,
    FallbackDialed,
    StreamAsked,
    StreamReported,
    VoicemailLeft,
)
from callbridge.server.config.settings import (
    CALL_STATUS_PATH,
    FALLBACK_DIALED_PATH,
    STREAM_ENDED_PATH,
    STREAM_STATUS_PATH,
    VOICE_PATH,
    VOICEMAIL_LEFT_PATH,
    VOICEMAIL_STATUS_PATH,
)
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.switchboard.continuation import CALL_OVER, Continuation, decide, read_history
from callbridge.telephony import twiml
from callbridge.telephony.signatures import SIGNATURE_HEADER
from callbridge.telephony.signed_tokens import StreamClaim

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk

FORM_BYTES_MAX = 65_536
"""Twilio's forms are about 2 kB; this bounds what an unsigned request can make us hold."""

FORM_FIELDS_MAX = 256
"""A call's form has about 40."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TwilioForm:
    """The parameters of one webhook, in words of ours; the rest of them by Twilio's names."""

    call_sid: str
    account_sid: str
    fields: dict[str, str]
    """The last value of each name."""

    def get(self, name: str) -> str:
        """The value of Twilio's parameter `name`, or nothing."""
        return self.fields.get(name, "")


def webhook_router(desk: Desk) -> APIRouter:
    """The routes of Twilio's webhooks and of the health checks."""
    webhooks = _Webhooks(desk)
    router = APIRouter()
    for path, endpoint in (
        (VOICE_PATH, webhooks.voice),
        (STREAM_ENDED_PATH, webhooks.stream_ended),
        (STREAM_STATUS_PATH, webhooks.stream_status),
        (CALL_STATUS_PATH, webhooks.call_status),
        (FALLBACK_DIALED_PATH, webhooks.fallback_dialed),
        (VOICEMAIL_LEFT_PATH, webhooks.voicemail_left),
        (VOICEMAIL_STATUS_PATH, webhooks.voicemail_status),
    ):
        router.add_route(path, endpoint, methods=["GET", "POST"])
    router.add_route("/healthz", webhooks.healthz, methods=["GET"])
    router.add_route("/readyz", webhooks.readyz, methods=["GET"])
    return router


class _Webhooks:
    """The endpoints; each Twilio endpoint first lets `_genuine_form` turn strangers away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._signature_check = desk.signature_check

    # --- A call begins, goes on, or falls back ---

    async def voice(self, request: Request) -> Response:
        """A phone rings: connect it to the media socket, or give its caller the fallback."""
        form = await self._genuine_form(request)
        desk, caller = self._desk, form.get("From")
        log = _log.bind(call_sid=form.call_sid, caller=caller, called=form.get("To"))
        desk.look_around()
        key, agent = desk.caller_key(caller), desk.plans.choose(form.get("To"))
        model = desk.plans.plan(agent).model
        if reason := desk.admission.offer(form.call_sid, key, model, desk.now()):
            log.warning("call_declined", reason=reason.value)
            self._note(form, CallOffered(caller, form.get("To"), reason.value, agent))
            return _twiml(twiml.first_step(self._fallback(form)))
        desk.state.note_call(key, desk.wall_now())
        log.info("call_offered", direction=form.get("Direction"))
        self._note(form, CallOffered(caller, form.get("To"), agent=agent))
        return self._connect(form, agent, continues=False)

    def _note(self, form: TwilioForm, fact: Fact) -> None:
        """What a webhook has learnt. Its number and time are the store's: several processes write these."""
        fact = msgspec.structs.replace(fact, call_sid=form.call_sid, source=HTTP)
        self._desk.state.append(form.call_sid, fact.kind, facts.encode(fact))

    async def stream_ended(self, request: Request) -> Response:
        """The `<Connect action>`: what becomes of a call after its stream."""
        form = await self._genuine_form(request)
        desk = self._desk
        if (live := desk.live_calls.find(form.call_sid)) is not None:
            live.phone_replaced()
        history = read_history(await desk.state.events(form.call_sid))
        desk.look_around()
        status = form.get("CallStatus")
        follows = decide(
            call_status=status,
            follows=history.follows,
            continued_at=history.continued_at,
            now=desk.wall_now(),
            can_continue=not desk.condition.is_leaving and desk.condition.has_healthy_store,
            never_began=history.never_began,
        )
        if follows is Continuation.RESUME:
            key = desk.caller_key(form.get("From"))
            if desk.admission.continue_(form.call_sid, key, desk.now()) is not None:
                follows = Continuation.FALL_BACK
        reason = "nothing is known of its end" if history.ended is None else history.ended.value
        _log.info("stream_continued", call_sid=form.call_sid, continuation=follows.value, reason=reason)
        # Before the answer: the number of continuations is the bound of them.
        self._note(form, StreamAsked(follows.value, history.ended))
        return self._follow(form, follows, history.agent or desk.plans.choose(form.get("To")))

    def _follow(self, form: TwilioForm, follows: Continuation, agent: str) -> Response:
        match follows:
            case Continuation.RESUME:
                return self._connect(form, agent, continues=True)
            case Continuation.FALL_BACK:
                self._release(form)
                return _twiml(twiml.first_step(self._fallback(form)))
            case Continuation.SAY_GOODBYE:
                self._release(form)
                return _twiml(twiml.goodbye(self._settings.goodbye))
            case Continuation.HANG_UP:
                self._release(form)
                return _twiml(twiml.hang_up())
            case _:
                assert_never(follows)

    def _connect(self, form: TwilioForm, agent: str, *, continues: bool) -> Response:
        """The TwiML of a stream, while whose socket is being connected the model is dialled."""
        desk, caller, called = self._desk, form.get("From"), form.get("To")
        desk.drain.stream_promised()
        if self._settings.predial:
            desk.waiting.predial(form.call_sid, desk.plans.plan(agent).model)
        claim = StreamClaim(form.call_sid, form.account_sid, caller, called, continues, agent)
        return _twiml(
            twiml.answer(
                stream_url=self._settings.stream_url,
                action_url=self._settings.action_url,
                stream_status_url=self._settings.stream_status_url,
                token=desk.tokens.issue(claim, desk.wall_now()),
                caller=caller,
                called=called,
                fallback=self._fallback(form),
            )
        )

    def _fallback(self, form: TwilioForm) -> twiml.FallbackPlan:
        """The fallback of this call: to ring a human Twilio needs a number, and not every caller has one."""
        caller, called = form.get("From"), form.get("To")
        has_number = caller.startswith("+") and self._desk.caller_key(caller) != ANONYMOUS
        if has_number or not called.startswith("+"):
            return self._desk.fallback
        return replace(self._desk.fallback, caller_id=called)

    def _release(self, form: TwilioForm) -> None:
        """No stream of this call will come any more."""
        self._desk.admission.abandoned(form.call_sid, self._desk.now())
        self._desk.waiting.discard(form.call_sid)

    async def fallback_dialed(self, request: Request) -> Response:
        """A human was rung: who was not reached is followed by voicemail."""
        form = await self._genuine_form(request)
        status = form.get("DialCallStatus")
        _log.info("fallback_dialed", call_sid=form.call_sid, status=status)
        self._note(form, FallbackDialed(status))
        return _twiml(twiml.after_dial(self._desk.fallback, status))

    async def voicemail_left(self, request: Request) -> Response:
        """The caller has spoken a message. Where it is to be found goes into the record of the call."""
        form = await self._genuine_form(request)
        self._note_voicemail(form)
        return _twiml(twiml.hang_up())

    async def voicemail_status(self, request: Request) -> Response:
        """The recording of a message can be fetched. The same address again, or the first news of it."""
        form = await self._genuine_form(request)
        self._note_voicemail(form)
        return _twiml(twiml.empty())

    def _note_voicemail(self, form: TwilioForm) -> None:
        status = form.get("RecordingStatus") or "left"
        left = VoicemailLeft(form.get("RecordingUrl"), form.get("RecordingDuration"), status)
        self._note(form, left)
        _log.info(
            "voicemail",
            call_sid=form.call_sid,
            recording=left.url,
            duration_s=left.duration_s,
            status=status,
        )

    # --- News ---

    async def stream_status(self, request: Request) -> Response:
        """What Twilio saw of a stream; the only news of one that never reached us."""
        form = await self._genuine_form(request)
        status = form.get("StreamEvent")
        self._note(form, StreamReported(status, form.get("StreamError")))
        log = _log.bind(call_sid=form.call_sid, stream_sid=form.get("StreamSid"), status=status)
        if status == "stream-error":
            log.warning("stream_status", error=form.get("StreamError"))
        else:
            log.info("stream_status")
        return _twiml(twiml.empty())

    async def call_status(self, request: Request) -> Response:
        """How Twilio saw the call go on; the order of these is not guaranteed."""
        form = await self._genuine_form(request)
        _log.info(
            "call_status",
            call_sid=form.call_sid,
            status=form.get("CallStatus"),
            duration_s=form.get("CallDuration"),
            sequence_number=form.get("SequenceNumber"),
        )
        self._note(form, CallReported(form.get("CallStatus"), form.get("CallDuration")))
        if form.get("CallStatus") in CALL_OVER:
            self._release(form)
        return _twiml(twiml.empty())

    async def healthz(self, _request: Request) -> Response:
        """The process lives, and its event loop turns."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """Whether calls may be sent here. Not while draining; else the fallback is an answer too.

        A balancer with nowhere else to go would let callers wait, where we have something to say to them.
        """
        reason = self._desk.reason_to_decline()
        match reason:
            case None:
                return JSONResponse({"status": "ready"})
            case DeclineReason.DRAINING:
                return JSONResponse({"status": "not ready", "reason": reason.value}, status_code=503)
            case _:
                return JSONResponse({"status": "ready", "declines_for": reason.value})

    # --- Who asks ---

    async def _genuine_form(self, request: Request) -> TwilioForm:
        """The form of a request that Twilio made for our account.

        Raises:
            HTTPException: 403 without a word to a stranger; 400 or 413 in words to a client that
                sent what is no form of a call.
        """
        parameters = _parameters(
            await _body(request) if request.method == "POST" else request.scope["query_string"]
        )
        if not self._is_signed(request, parameters):
            _log.warning("webhook_refused", path=request.url.path, reason="wrong signature")
            raise HTTPException(403)
        fields = dict(parameters)
        for name in ("CallSid", "AccountSid"):
            if not fields.get(name):
                raise HTTPException(400, f"The parameter {name} is missing.")
        if fields["AccountSid"] != self._settings.twilio_account_sid:
            _log.warning("webhook_refused", path=request.url.path, reason="another account")
            raise HTTPException(403)
        return TwilioForm(fields["CallSid"], fields["AccountSid"], fields)

    def _is_signed(self, request: Request, parameters: list[tuple[str, str]]) -> bool:
        if self._signature_check is None:
            return True
        signature = request.headers.get(SIGNATURE_HEADER)
        path = request.scope["path"]
        query = request.scope["query_string"].decode("latin-1")
        if request.method == "POST":
            return self._signature_check.accepts_post(path, query, parameters, signature)
        return self._signature_check.accepts_get(path, query, signature)


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES_MAX:
                raise HTTPException(413, f"A form may have {FORM_BYTES_MAX} bytes.")
    except ClientDisconnect:
        # Nobody will read this; it keeps a client that left from looking like a fault of ours.
        raise HTTPException(400, "The request broke off.") from None
    return bytes(body)


def _parameters(encoded: bytes) -> list[tuple[str, str]]:
    """Names and values, decoded and in order; spaces around them are part of what was signed."""
    try:
        return parse_qsl(
            encoded.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        raise HTTPException(400, f"A form may have {FORM_FIELDS_MAX} parameters.") from None


def _twiml(document: str) -> Response:
    return Response(document, media_type=twiml.MEDIA_TYPE)
