"""`GET /metrics` on the control listener: what Prometheus reads, https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi.responses import Response

from callbridge.server.http.openapi import Operation
from callbridge.server.process.measuring.measuring import DeskSeen

if TYPE_CHECKING:
    from fastapi import Request

    from callbridge.server.process.desk import Desk

METRICS_PATH: Final = "/metrics"

PLAIN_TEXT: Final = "text/plain"

OTHERS_S: Final = 0.5
"""How long an answer waits for the store to say which other processes there are."""


def metrics_operation() -> Operation:
    """What is answered: text, and no JSON."""
    return Operation(
        method="GET",
        path=METRICS_PATH,
        summary="What is counted and measured, for Prometheus.",
        answer=str,
        media_type=PLAIN_TEXT,
    )


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The endpoint."""

    desk: Desk
    seen: DeskSeen

    async def answer(self, request: Request) -> Response:
        """All metrics, in the format that is asked for."""
        desk = self.desk
        try:
            async with asyncio.timeout(OTHERS_S):
                desk.measures.processes = len(await desk.state.others())
        except TimeoutError:
            desk.measures.processes = None
            desk.metrics.was_not_told()
        text, content_type = desk.metrics.text(request.headers.get("accept", ""), self.seen)
        return Response(text, headers={"Content-Type": content_type})
