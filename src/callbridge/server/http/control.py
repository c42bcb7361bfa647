"""What operators and deploy scripts ask, on a listener of its own: at the public port nobody learns it.

`POST /drain` begins a drain, `DELETE /drain` takes it back, `GET /drain` reports; `GET /readyz` says why
calls are declined. Who has the control key may ask. It is set, or derived from the Twilio auth token, which
itself never travels.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from callbridge.server.process.refusals import tell_first

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk

DRAIN_PATH: Final = "/drain"
REASONS_PATH: Final = "/readyz"

_PURPOSE: Final = b"callbridge control"
"""What the key is good for: a signature that Twilio makes under the same token is never one."""

_log = structlog.get_logger()


def control_key(settings: Settings) -> str:
    """The bearer key: the one that is set, else one derived, so that no new secret must be kept."""
    if settings.control_key is not None:
        return settings.control_key.get_secret_value()
    token = settings.twilio_auth_token.get_secret_value()
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def control_app(desk: Desk) -> FastAPI:
    """The application of the control listener."""
    app = FastAPI(
        title="callbridge control",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # As at the public port: nobody is sent where the request says.
    )
    control = _Control(desk, f"Bearer {control_key(desk.settings)}".encode())
    router = APIRouter()
    router.add_route(DRAIN_PATH, control.begin, methods=["POST"])
    router.add_route(DRAIN_PATH, control.undo, methods=["DELETE"])
    router.add_route(DRAIN_PATH, control.report, methods=["GET"])
    router.add_route(REASONS_PATH, control.reasons, methods=["GET"])
    app.include_router(router)
    return app


@dataclass(frozen=True, slots=True)
class _Control:
    """The endpoints."""

    desk: Desk
    authorization: bytes
    """The one header that is accepted."""

    async def begin(self, request: Request) -> Response:
        """Takes no new calls from now on."""
        if not self._is_authorized(request):
            return self._refusal()
        self.desk.drain.begin()
        return self._report()

    async def undo(self, request: Request) -> Response:
        """Takes calls again. What a signal has begun cannot be taken back."""
        if not self._is_authorized(request):
            return self._refusal()
        self.desk.drain.undo()
        return self._report()

    async def report(self, request: Request) -> Response:
        """How many calls are left."""
        return self._report() if self._is_authorized(request) else self._refusal()

    async def reasons(self, request: Request) -> Response:
        """Why a call would be declined at this moment, each reason for itself, and how full it is."""
        if not self._is_authorized(request):
            return self._refusal()
        desk, now = self.desk, self.desk.now()
        reasons = desk.reasons_to_decline()
        return JSONResponse(
            {
                "state": desk.drain.step.value,
                "declines_for": [reason.value for reason in reasons],
                "state_file": desk.state.trouble or "well",
                "models_down": desk.circuits.open_models(now),
                "live_calls": len(desk.live_calls),
                "places_taken": desk.admission.live(now),
                "places": desk.admission.limit(now),
                "spent_dollars_hour": desk.spending.hour_microdollars(now) / 1_000_000,
                "spent_dollars_day": desk.spending.day_microdollars(now) / 1_000_000,
            },
            HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK,
        )

    def _is_authorized(self, request: Request) -> bool:
        # ASGI carries headers as latin-1; a string that is not ASCII could not be compared.
        given = request.headers.get("authorization", "").encode("latin-1")
        return hmac.compare_digest(given, self.authorization)

    def _refusal(self) -> Response:
        desk, event, reason = self.desk, "control_refused", "wrong key"
        tell_first(desk.refused, desk.now(), f"{event}: {reason}", _log.warning, event, reason=reason)
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})

    def _report(self) -> Response:
        return JSONResponse({"state": self.desk.drain.step.value, "live_calls": len(self.desk.live_calls)})
