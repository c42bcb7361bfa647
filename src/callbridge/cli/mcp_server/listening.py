"""Answers assistants by HTTP, at a port of its own: who has the token, in small requests that stand alone.

The protocol's Streamable HTTP without sessions: each POST is answered for itself, so nothing is kept of who
asks, and nobody can hold anything open.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from callbridge.observe.first_of_kind import FirstOfKind
from callbridge.server.process.listening.listening import control_config
from callbridge.server.process.listening.serving import serving
from callbridge.server.process.measuring.refusals import count_refusals, tell_first

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterable

    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Receive, Scope, Send

    from callbridge.server.config.settings import Settings

PATH: Final = "/mcp"

BODY_BYTES_MAX: Final = 64 * 1024
"""A question has some hundred bytes."""

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def listening(
    server: Server[dict[str, Any]],
    settings: Settings,
    token: str,
    listener: socket.socket,
    names: Iterable[str],
) -> AsyncIterator[None]:
    """Answers on `listener` for the length of the context.

    Args:
        server: what is asked.
        settings: of this process.
        token: the bearer token that everybody must show.
        listener: a listening socket.
        names: under which it is reached, beside those of this machine.
    """
    manager = StreamableHTTPSessionManager(
        server,
        json_response=True,
        stateless=True,
        security_settings=reached_by(names),
        max_request_body_size=BODY_BYTES_MAX,
    )
    guard = TokenGuard(manager.handle_request, f"Bearer {token}".encode())
    async with (
        manager.run(),
        serving(control_config(guard, settings), listener),
        asyncio.TaskGroup() as tasks,
    ):
        counting = tasks.create_task(
            count_refusals(guard.refused, asyncio.get_running_loop().time), name="refusals"
        )
        try:
            yield
        finally:
            counting.cancel()


def reached_by(names: Iterable[str]) -> TransportSecuritySettings:
    """Which `Host` and `Origin` a request may have.

    So no page from elsewhere asks in a browser of ours, by a name of its own that leads here (DNS rebinding).
    https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning
    """
    own = [f"http://{name}" for name in LOOPBACK_NAMES]
    others = [f"https://{name}" for name in names]
    hosts = [*LOOPBACK_NAMES, *names]
    origins = [*own, *others]
    return TransportSecuritySettings(
        allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
        allowed_origins=[*origins, *(f"{origin}:*" for origin in origins)],
    )


@dataclass(frozen=True, slots=True)
class TokenGuard:
    """Stands before the protocol: who has not the token learns nothing, not even which paths there are."""

    app: ASGIApp
    authorization: bytes
    """The one header that is accepted."""
    refused: FirstOfKind = field(default_factory=FirstOfKind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. A WebSocket is none: there are none here."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not hmac.compare_digest(dict(scope["headers"]).get(b"authorization", b""), self.authorization):
            now = asyncio.get_running_loop().time()
            event, reason = "assistant_refused", "wrong token"
            tell_first(self.refused, now, f"{event}: {reason}", _log.warning, event, reason=reason)
            await _answer(send, 401, (b"www-authenticate", b"Bearer"))
        elif scope["path"] != PATH:
            await _answer(send, 404)
        elif scope["method"] != "POST":
            # There are no streams to be had by GET, and no sessions to be ended by DELETE.
            await _answer(send, 405, (b"allow", b"POST"))
        else:
            # So the server knows this connection from a stranger's, when there are too many.
            scope["state"]["is_genuine"] = True
            await self.app(scope, receive, send)


async def _answer(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *headers]}
    )
    await send({"type": "http.response.body", "body": b""})


async def until_stopped() -> None:
    """Returns when this process is told to stop: Ctrl-C, or SIGTERM."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has none: Ctrl-C ends it as any program.
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
