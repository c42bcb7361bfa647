"""What every request passes first: whether the service runs, and under which path it is mounted."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from fastapi.responses import Response
from starlette.websockets import WebSocketClose

from callbridge.observe.first_of_kind import FirstOfKind
from callbridge.server.process.measuring.refusals import tell_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from callbridge.server.config.settings import Settings

_log = structlog.get_logger()


@dataclass(slots=True)
class Run:
    """The one time that an app is served."""

    settings: Settings
    is_on: bool = field(default=False, init=False)
    """Whether requests may come."""
    _has_begun: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Says what an operator must know at every start.

        Raises:
            RuntimeError: it has begun before. What was closed at its end stays closed.
        """
        if self._has_begun:
            raise RuntimeError("This app is served already, or was before: make another with create_app.")
        self._has_begun = True
        if not self.settings.validate_signatures:
            _log.warning(
                "signatures_off",
                reason="CALLBRIDGE_VALIDATE_SIGNATURES is false: any program on this machine may make calls",
                remedy="Remove it for calls by telephone.",
            )

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """For as long as requests may come."""
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False


class Entry:
    """Middleware: turns away what comes while the service does not run, and tells the routes their prefix."""

    def __init__(self, app: ASGIApp, run: Run, now: Callable[[], float]) -> None:
        self._app = app
        self._run = run
        self._now = now
        self._prefix = urlsplit(run.settings.public_base_url).path
        self._refused = FirstOfKind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, socket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._run.is_on:
            await self._refuse(scope, receive, send)
        else:
            # A proxy may pass the prefix on or take it away: the routes find their paths either way. Who has
            # mounted us has said already where.
            if not scope.get("root_path"):
                scope["root_path"] = self._prefix
            await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        tell_first(
            self._refused,
            self._now(),
            "not served",
            _log.error,
            "not_served",
            reason="a request came while the lifespan of the app does not run",
            remedy="Where it is mounted, write `async with callbridge.serving(calls):` into the lifespan "
            "of the outer app; calls stands for what create_app has made.",
        )
        await denial(scope, 503)(scope, receive, send)


def denial(scope: Scope, status_code: int) -> ASGIApp:
    """Turns a request away, or a socket before it is accepted: with a status, which Twilio shows as 31920."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        return WebSocketClose()  # A server without that extension, which is optional, answers it with 403.
    return Response(status_code=status_code)
