"""What a load balancer asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from callbridge.switchboard.admission import DeclineReason

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk


def health_router(desk: Desk) -> APIRouter:
    """The routes of the health checks."""
    health = _Health(desk)
    router = APIRouter()
    router.add_route("/healthz", health.healthz, methods=["GET"])
    router.add_route("/readyz", health.readyz, methods=["GET"])
    return router


class _Health:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
