"""Who may ask at the control listener: whoever has the key."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog
from fastapi import Request
from fastapi.responses import Response

from callbridge.server.process.measuring.refusals import tell_first

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp

    from callbridge.server.process.desk import Desk

    Endpoint: TypeAlias = Callable[[Request], Awaitable[ASGIApp]]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands before every endpoint."""

    desk: Desk
    authorization: bytes
    """The one header that is accepted."""

    def before(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """`endpoint`, for who has the key; others learn nothing."""

        async def guarded(request: Request) -> Response:
            if (refusal := self.refusal_of(request)) is not None:
                return refusal
            return await endpoint(request)  # type: ignore[return-value]  # Any ASGI application will do.

        return guarded

    def refusal_of(self, request: Request) -> Response | None:
        """What who has not the key is told; nothing for who has it."""
        # ASGI carries headers as latin-1; a string that is not ASCII could not be compared.
        given = request.headers.get("authorization", "").encode("latin-1")
        if hmac.compare_digest(given, self.authorization):
            return None
        desk, event, reason = self.desk, "control_refused", "wrong key"
        tell_first(desk.refused, desk.now(), f"{event}: {reason}", _log.warning, event, reason=reason)
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
