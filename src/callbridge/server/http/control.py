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

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from callbridge.server.http.control_guard import Guard
from callbridge.server.http.following import LIVE_CALL_PATH, LIVE_PATH, Following

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk

DRAIN_PATH: Final = "/drain"
REASONS_PATH: Final = "/readyz"

_PURPOSE: Final = b"callbridge control"
"""What the key is good for: a signature that Twilio makes under the same token is never one."""


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
    guard = Guard(desk, f"Bearer {control_key(desk.settings)}".encode())
    control, following = _Control(desk), Following(desk)
    router = APIRouter()
    for method, path, endpoint in (
        ("POST", DRAIN_PATH, control.begin),
        ("DELETE", DRAIN_PATH, control.undo),
        ("GET", DRAIN_PATH, control.report),
        ("GET", REASONS_PATH, control.reasons),
        ("GET", LIVE_PATH, following.all),
        ("GET", LIVE_CALL_PATH, following.one),
    ):
        router.add_route(path, guard.before(endpoint), methods=[method])
    app.include_router(router)
    return app


@dataclass(frozen=True, slots=True)
class _Control:
    """The endpoints."""

    desk: Desk

    async def begin(self, _request: Request) -> Response:
        """Takes no new calls from now on."""
        self.desk.drain.begin()
        return self._report()

    async def undo(self, _request: Request) -> Response:
        """Takes calls again. What a signal has begun cannot be taken back."""
        self.desk.drain.undo()
        return self._report()

    async def report(self, _request: Request) -> Response:
        """How many calls are left."""
        return self._report()

    async def reasons(self, _request: Request) -> Response:
        """Why a call would be declined at this moment, each reason for itself, and how full it is."""
        desk, now = self.desk, self.desk.now()
        reasons = desk.reasons_to_decline()
        return JSONResponse(
            {
                "state": desk.drain.step.value,
                "declines_for": [reason.value for reason in reasons],
                "state_file": desk.state.trouble or "well",
                "records": "off" if desk.records is None else desk.records.trouble or "well",
                "models_down": desk.circuits.open_models(now),
                "live_calls": len(desk.live_calls),
                "places_taken": desk.admission.live(now),
                "places": desk.admission.limit(now),
                "spent_dollars_hour": desk.spending.hour_microdollars(now) / 1_000_000,
                "spent_dollars_day": desk.spending.day_microdollars(now) / 1_000_000,
            },
            HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK,
        )

    def _report(self) -> Response:
        return JSONResponse({"state": self.desk.drain.step.value, "live_calls": len(self.desk.live_calls)})
