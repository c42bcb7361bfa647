"""What a load balancer asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

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
        """The process lives, its event loop turns, and nothing that it cannot do without is gone."""
        if self._desk.drain.is_broken:
            return JSONResponse({"status": "broken"}, status_code=503)
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """Whether calls may be sent here. Not while draining; else the fallback is an answer too.

        A balancer with nowhere else to go would let callers wait, where we have something to say to them. Why
        calls are declined is nobody's business here: the control listener tells it.
        """
        if self._desk.drain.reason_not_ready() is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)
