"""Forms of Twilio's webhooks: read as they come, since Twilio adds parameters without notice, and refused
unless Twilio signed them for our account.

Every Twilio route works by POST and by GET.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from callbridge.server.http.trust import Trust
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.telephony import twiml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.server.process.desk import Desk

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

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


class Forms:
    """Reads the forms of genuine requests."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._account_sid = desk.settings.twilio_account_sid
        self._trust = Trust(desk)

    async def read(self, request: Request) -> TwilioForm:
        """The form of a request that Twilio made about a call of our account.

        Raises:
            HTTPException: 403 without a word to a stranger; 400 or 413 in words to a client that
                sent what is no form of a call.
        """
        fields = await self.read_any(request, "CallSid")
        return TwilioForm(fields["CallSid"], fields["AccountSid"], fields)

    async def read_any(self, request: Request, *needed: str) -> dict[str, str]:
        """The same for what is not about a call: its parameters, the last value of each name.

        Args:
            request: of Twilio, or of somebody else.
            needed: names that it must have, beside `AccountSid`.

        Raises:
            HTTPException: as `read`.
        """
        parameters = _parameters(
            await _body(request) if request.method == "POST" else request.scope["query_string"]
        )
        if not self._trust.accepts_webhook(request, parameters):
            raise HTTPException(403)
        # So the server knows its connection from a stranger's, when there are too many.
        request.state.is_genuine = True
        fields = dict(parameters)
        for name in (*needed, "AccountSid"):
            if not fields.get(name):
                raise HTTPException(400, f"The parameter {name} is missing.")
        if fields["AccountSid"] != self._account_sid:
            told = {"path": request.url.path, "reason": "another account"}
            kind = f"webhook_refused: {told['reason']}"
            tell_first(self._desk.refused, self._desk.now(), kind, _log.warning, "webhook_refused", **told)
            raise HTTPException(403)
        return fields


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


def twilio_routes(endpoints: Mapping[str, Endpoint]) -> APIRouter:
    """The routes of these webhooks, by their paths."""
    router = APIRouter()
    for path, endpoint in endpoints.items():
        router.add_route(path, endpoint, methods=["GET", "POST"])
    return router


def twiml_response(document: str) -> Response:
    """An answer that Twilio reads as TwiML."""
    return Response(document, media_type=twiml.MEDIA_TYPE)
