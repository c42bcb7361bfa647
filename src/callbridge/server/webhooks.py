"""What Twilio asks over HTTP, and what a load balancer asks.

Every Twilio route works by POST and by GET, and answers from memory alone: no model, no network and
no disk stands between a ringing phone and its TwiML. Forms are read as they come, since Twilio adds
parameters without notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from callbridge.server.calls import Continuation
from callbridge.server.settings import (
    CALL_STATUS_PATH,
    MEDIA_STREAM_PATH,
    STREAM_ENDED_PATH,
    STREAM_STATUS_PATH,
    VOICE_PATH,
)
from callbridge.telephony import twiml
from callbridge.telephony.signatures import SIGNATURE_HEADER, SignatureCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.calls import EndedCalls
    from callbridge.server.settings import Settings
    from callbridge.telephony.tokens import StreamTokens

FORM_BYTES_MAX = 65_536
"""Twilio's forms are about 2 kB; this bounds what an unsigned request can make us hold."""

FORM_FIELDS_MAX = 256
"""A call's form has about 40."""

_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Call statuses after which nobody listens any more."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Telephone:
    """What the routes need to know and to ask."""

    settings: Settings
    tokens: StreamTokens
    ended_calls: EndedCalls
    now: Callable[[], float]
    """A monotonic clock, in seconds."""

    reason_not_ready: Callable[[], str | None]
    """Why no new call is taken at this moment, in words; nothing when calls are welcome."""

    def is_genuine_upgrade(self, signature: str | None) -> bool:
        """Whether Twilio signed this upgrade of the media socket."""
        check = self.signature_check
        return check is None or check.accepts_upgrade(MEDIA_STREAM_PATH, signature)

    @property
    def signature_check(self) -> SignatureCheck | None:
        """The check of this account and address; nothing where it is switched off."""
        if not self.settings.twilio_validate_signatures:
            return None
        return SignatureCheck(
            self.settings.twilio_auth_token.get_secret_value(), self.settings.public_base_url
        )


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


def webhook_router(telephone: Telephone) -> APIRouter:
    """The routes of Twilio's webhooks and of the health checks."""
    webhooks = _Webhooks(telephone)
    router = APIRouter()
    for path, endpoint in (
        (VOICE_PATH, webhooks.voice),
        (STREAM_ENDED_PATH, webhooks.stream_ended),
        (STREAM_STATUS_PATH, webhooks.stream_status),
        (CALL_STATUS_PATH, webhooks.call_status),
    ):
        router.add_route(path, endpoint, methods=["GET", "POST"])
    router.add_route("/healthz", webhooks.healthz, methods=["GET"])
    router.add_route("/readyz", webhooks.readyz, methods=["GET"])
    return router


class _Webhooks:
    """The endpoints; each Twilio endpoint first lets `_genuine_form` turn strangers away."""

    def __init__(self, telephone: Telephone) -> None:
        self._telephone = telephone
        self._settings = telephone.settings
        self._signature_check = telephone.signature_check

    async def voice(self, request: Request) -> Response:
        """A phone rings: connect it to the media socket, or apologize."""
        form = await self._genuine_form(request)
        log = _log.bind(call_sid=form.call_sid, caller=form.get("From"), called=form.get("To"))
        if reason := self._telephone.reason_not_ready():
            log.warning("call_declined", reason=reason)
            return _twiml(twiml.apology(self._settings.apology))
        token = self._telephone.tokens.issue(
            form.call_sid,
            form.account_sid,
            form.get("From"),
            form.get("To"),
            self._telephone.now(),
        )
        if token is None:
            log.warning("call_declined", reason="too many calls wait for their stream")
            return _twiml(twiml.apology(self._settings.apology))
        log.info("call_offered", direction=form.get("Direction"))
        return _twiml(self._answer(form, token))

    async def stream_ended(self, request: Request) -> Response:
        """The `<Connect action>`: what becomes of a call after its stream."""
        form = await self._genuine_form(request)
        ended = self._telephone.ended_calls.find(form.call_sid, self._telephone.now())
        continuation = Continuation.APOLOGIZE if ended is None else ended.continuation
        if form.get("CallStatus") in _OVER:
            continuation = Continuation.HANG_UP
        _log.info(
            "stream_continued",
            call_sid=form.call_sid,
            continuation=continuation,
            reason="nothing is known of this call" if ended is None else ended.reason,
        )
        if continuation is Continuation.HANG_UP:
            return _twiml(twiml.hang_up())
        return _twiml(twiml.apology(self._settings.apology))

    async def stream_status(self, request: Request) -> Response:
        """What Twilio saw of a stream; the only news of one that never reached us."""
        form = await self._genuine_form(request)
        status = form.get("StreamEvent")
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
        return _twiml(twiml.empty())

    async def healthz(self, _request: Request) -> Response:
        """The process lives, and its event loop turns."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """Whether this process takes a call now."""
        reason = self._telephone.reason_not_ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    def _answer(self, form: TwilioForm, token: str) -> str:
        return twiml.answer(
            stream_url=self._settings.stream_url,
            action_url=self._settings.action_url,
            stream_status_url=self._settings.stream_status_url,
            token=token,
            caller=form.get("From"),
            called=form.get("To"),
            apology=self._settings.apology,
        )

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
