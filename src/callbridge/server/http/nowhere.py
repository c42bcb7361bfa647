"""What comes to no address of ours: a webhook entered wrongly, an upgrade that a proxy has lost, strangers.

The first two look like silence to an operator, who sees only that no call is answered. So each gets a line
that says what to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from fastapi.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

from callbridge.server.config.addresses import MEDIA_STREAM_PATH
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.telephony.signatures import SIGNATURE_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from callbridge.server.process.desk import Desk

PATH_SHOWN_MAX: Final = 100
"""Of a path, in characters: a stranger may have sent 32 KiB of it."""

_SIGNATURE: Final = SIGNATURE_HEADER.lower().encode()

_log = structlog.get_logger()


class Nowhere:
    """The application behind all routes: says what was looked for in vain."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request or a socket to an address that is none of ours."""
        is_socket = scope["type"] == "websocket"
        if not is_socket and scope["path"].rstrip("/").endswith(MEDIA_STREAM_PATH):
            self._tell_of_lost_upgrade()
            headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
            await PlainTextResponse("A WebSocket is wanted here.", 426, headers)(scope, receive, send)
            return
        self._tell_of_wrong_path(scope)
        answer = WebSocketClose() if is_socket else PlainTextResponse("Not Found", 404)
        await answer(scope, receive, send)

    def _tell_of_lost_upgrade(self) -> None:
        self._tell(
            "lost upgrade",
            _log.warning,
            "upgrade_lost",
            reason="the media stream was asked for without an upgrade: a proxy has taken it away",
            remedy="Have the proxy pass the headers Upgrade and Connection on, by HTTP/1.1 "
            "(nginx: proxy_http_version 1.1).",
        )

    def _tell_of_wrong_path(self, scope: Scope) -> None:
        path = scope["path"][:PATH_SHOWN_MAX]
        # Strangers ask for thousands of paths. What Twilio asks for is not to drown in them.
        if not any(name == _SIGNATURE for name, _ in scope["headers"]):
            self._tell("unknown path", _log.info, "unknown_path", path=path)
            return
        self._tell(
            "wrong path",
            _log.warning,
            "wrong_path",
            path=path,
            reason="something signed as by Twilio asked for an address that is none of ours",
            remedy=f"Twilio console > Phone Numbers > your number > A call comes in: "
            f"{self._desk.settings.voice_url}. A proxy before us must leave the path as it is.",
        )

    def _tell(self, kind: str, write: Callable[..., object], event: str, **fields: str) -> None:
        tell_first(self._desk.refused, self._desk.now(), kind, write, event, **fields)
