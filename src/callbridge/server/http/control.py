"""What operators and deploy scripts ask, on a listener of its own: at the public port nobody learns it.

`POST /drain` begins a drain, `DELETE /drain` takes it back, `GET /drain` reports; `GET /readyz` says why
calls are declined; `GET /calls…` is about calls, `POST /calls/…` wants something of a live one, and
`GET /openapi.json` is about all of it. Who has the control key may ask. It is set, or derived from the Twilio
auth token, which itself never travels.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from callbridge.server.http.call_audio import CallAudio, audio_operation
from callbridge.server.http.control_guard import Guard
from callbridge.server.http.following import Following, live_operations
from callbridge.server.http.metrics import MetricsPage, metrics_operation
from callbridge.server.http.openapi import JSON, OPENAPI_PATH, ApiDocument, Operation
from callbridge.server.http.orders import Orders, order_operations
from callbridge.server.http.recorded_calls import RecordedCalls, record_operations, refusal
from callbridge.server.http.recordings import RECORDING_PATH, RecordingDoor, recording_operations
from callbridge.server.process.measuring.measuring import DeskSeen

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.server.http.control_guard import Endpoint
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
    router = APIRouter()
    endpoints = _endpoints(desk)
    document = ApiDocument(tuple(operation for operation, _ in endpoints))
    for operation, endpoint in endpoints:
        router.add_route(operation.path, guard.before(endpoint), methods=[operation.method])
    hear = RecordingDoor(desk.settings, desk.wall_now).hear
    router.add_route(RECORDING_PATH, hear, methods=["GET"])  # The link itself is the key.
    router.add_route(OPENAPI_PATH, guard.before(document.answer), methods=["GET"])
    app.include_router(router)
    app.add_exception_handler(HTTPException, _say_why_not)
    return app


async def _say_why_not(_request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself, an unknown path or method, in the shape of every other refusal."""
    assert isinstance(error, HTTPException)
    return refusal(HTTPStatus(error.status_code), error.detail)


def _endpoints(desk: Desk) -> list[tuple[Operation, Endpoint]]:
    control, following, recorded = _Control(desk), Following(desk), RecordedCalls(desk)
    orders = Orders(desk)
    recordings = RecordingDoor(desk.settings, desk.wall_now)
    return [
        (_asked("POST", DRAIN_PATH, "Take no new calls from now on.", DrainReport), control.begin),
        (_asked("DELETE", DRAIN_PATH, "Take calls again.", DrainReport), control.undo),
        (_asked("GET", DRAIN_PATH, "How many calls are left.", DrainReport), control.report),
        (
            _asked("GET", REASONS_PATH, "Why calls are declined, with status 503.", Readiness, 503),
            control.reasons,
        ),
        (metrics_operation(), MetricsPage(desk, DeskSeen(desk)).answer),
        *zip(live_operations(), (following.all, following.one), strict=True),
        *zip(order_operations(), (orders.end, orders.hand_over), strict=True),
        *zip(record_operations(), (recorded.list, recorded.story, recorded.facts), strict=True),
        (audio_operation(), CallAudio(recorded, desk.settings, desk.wall_now).lead),
        *zip(recording_operations(), (recordings.link, recordings.delete), strict=True),
    ]


def _asked(method: str, path: str, summary: str, answer: type, *others: int) -> Operation:
    refusals = dict.fromkeys(others, answer)
    return Operation(method=method, path=path, summary=summary, answer=answer, refusals=refusals)


class DrainReport(msgspec.Struct, frozen=True):
    """How far a drain is."""

    state: str
    live_calls: int
    process: str
    """The name of this start of callbridge."""
    is_replaced: bool
    """Whether it is a worker that leaves while the others go on."""
    control_ports: tuple[int, ...]
    """Where the workers of this machine are asked, and at last one that leaves; a process alone has one."""


class Neighbour(msgspec.Struct, frozen=True):
    """Another process of the same number that is alive."""

    process: str
    is_leaving: bool
    live_calls: int


class Readiness(msgspec.Struct, frozen=True):
    """How full it is, and why calls are declined."""

    state: str
    declines_for: list[str]
    process: str
    """The name of this start of callbridge."""
    others: list[Neighbour]
    """Those that share the state with it, as far as that can be read."""
    state_file: str
    """`well`, or what is wrong with where the state is kept: a file, or the database of all processes."""
    records: str
    models_down: list[str]
    live_calls: int
    places_taken: int
    places: int
    spent_dollars_hour: float
    spent_dollars_day: float
    is_replaced: bool = False
    """Whether it is a worker that leaves while the others go on: what is asked of it, they answer."""


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
        others = [Neighbour(other.process, other.is_leaving, other.calls) for other in await desk.others()]
        readiness = Readiness(
            state=desk.drain.step.value,
            declines_for=[reason.value for reason in reasons],
            process=desk.state.process,
            others=others,
            state_file=desk.state.trouble or "well",
            records="off" if desk.records is None else desk.records.trouble or "well",
            models_down=desk.circuits.open_models(now),
            live_calls=len(desk.live_calls),
            places_taken=desk.admission.live(now),
            places=desk.admission.limit(now),
            spent_dollars_hour=desk.spending.hour_microdollars(now) / 1_000_000,
            spent_dollars_day=desk.spending.day_microdollars(now) / 1_000_000,
            is_replaced=desk.drain.others_go_on,
        )
        return _json(readiness, HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)

    def _report(self) -> Response:
        drain = self.desk.drain
        return _json(
            DrainReport(
                state=drain.step.value,
                live_calls=len(self.desk.live_calls),
                process=self.desk.state.process,
                is_replaced=drain.others_go_on,
                control_ports=self.desk.settings.control_ports,
            )
        )


def _json(answer: msgspec.Struct, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type=JSON)
