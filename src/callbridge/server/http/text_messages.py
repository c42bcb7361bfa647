"""The webhooks of texts: what became of one that we have sent, and one that somebody has sent to us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.addresses import TEXT_PATH, TEXT_STATUS_PATH
from callbridge.server.http.forms import Forms, twilio_routes, twiml_response
from callbridge.telephony import twiml

if TYPE_CHECKING:
    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk
    from callbridge.server.process.texting import Texting


def texts_router(desk: Desk, texting: Texting) -> APIRouter:
    """The routes of texts."""
    texts = _Texts(desk, texting)
    return twilio_routes({TEXT_PATH: texts.came, TEXT_STATUS_PATH: texts.reported})


class _Texts:
    """The endpoints."""

    def __init__(self, desk: Desk, texting: Texting) -> None:
        self._texting = texting
        self._forms = Forms(desk)

    async def came(self, request: Request) -> Response:
        """Somebody has sent a text. No other is sent back: whatever stands in the answer would be one."""
        form = await self._forms.read_any(request, "MessageSid", "From")
        await self._texting.came(form)
        return twiml_response(twiml.empty())

    async def reported(self, request: Request) -> Response:
        """What became of a text. Of which call it is stands in the address, which is signed."""
        form = await self._forms.read_any(request, "MessageSid", "MessageStatus")
        query = request.query_params
        await self._texting.reported(query.get("call", ""), query.get("text", ""), form)
        return twiml_response(twiml.empty())
