"""The routes by which a deploy script drains this process: `POST /drain` begins, `GET /drain` reports.

Who knows the Twilio auth token may ask; the token itself never travels.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

if TYPE_CHECKING:
    from pydantic import SecretStr

    from callbridge.server.process.drain import Drain
    from callbridge.server.process.live_calls import LiveCalls

DRAIN_PATH: Final = "/drain"

_PURPOSE: Final = b"callbridge drain"
"""What the key is good for: a signature that Twilio makes under the same token is never one."""

_log = structlog.get_logger()


def drain_key(auth_token: SecretStr) -> str:
    """The bearer key of the drain control, in hexadecimal digits: derived, so no new secret must be kept."""
    return hmac.new(auth_token.get_secret_value().encode(), _PURPOSE, hashlib.sha256).hexdigest()


def control_router(drain: Drain, live_calls: LiveCalls, auth_token: SecretStr) -> APIRouter:
    """The routes of the drain control."""
    control = _Control(drain, live_calls, f"Bearer {drain_key(auth_token)}".encode())
    router = APIRouter()
    router.add_route(DRAIN_PATH, control.begin, methods=["POST"])
    router.add_route(DRAIN_PATH, control.report, methods=["GET"])
    return router


@dataclass(frozen=True, slots=True)
class _Control:
    """The endpoints; a stranger learns nothing from either."""

    drain: Drain
    live_calls: LiveCalls
    authorization: bytes
    """The one header that is accepted."""

    async def begin(self, request: Request) -> Response:
        """Takes no new calls from now on."""
        if not self._is_authorized(request):
            return self._refusal()
        self.drain.begin()
        return self._report()

    async def report(self, request: Request) -> Response:
        """How many calls are left."""
        return self._report() if self._is_authorized(request) else self._refusal()

    def _is_authorized(self, request: Request) -> bool:
        # ASGI carries headers as latin-1; a string that is not ASCII could not be compared.
        given = request.headers.get("authorization", "").encode("latin-1")
        return hmac.compare_digest(given, self.authorization)

    def _refusal(self) -> Response:
        _log.warning("drain_refused", reason="wrong key")
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})

    def _report(self) -> Response:
        return JSONResponse({"state": self.drain.step.value, "live_calls": len(self.live_calls)})
