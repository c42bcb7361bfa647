"""How uvicorn serves calls: one process, strict sockets, and one line that says it is ready.

One process, because the calls, the tokens and the audio of a call live in it; more calls are served
by more machines.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import structlog
import uvicorn

from callbridge.bridge.legs import PHONE_MESSAGE_BYTES_MAX
from callbridge.server.fast_lane import FastLaneProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

    from callbridge.server.settings import Settings

HANDLERS_END_S = 30
"""After the sockets were closed: how long their calls may take to write their records."""

_log = structlog.get_logger()


def uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Uvicorn, set up for media sockets behind a proxy that ends TLS."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",  # uvloop where it is installed
        http="httptools",
        ws=FastLaneProtocol,
        ws_max_size=PHONE_MESSAGE_BYTES_MAX,
        # Deflate costs memory and time for every socket, and Twilio never asks for it.
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # A phone is never silent: the call watches for gaps in its audio.
        lifespan="on",
        # Logging is set up by `configure_logging`; the routes log what matters of a request.
        log_config=None,
        access_log=False,
        server_header=False,
        # Public addresses come from the settings, so nothing a proxy says is believed.
        proxy_headers=False,
        timeout_graceful_shutdown=HANDLERS_END_S,
    )


def tcp_listener(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening IPv4 socket to pass to a server; port 0 takes a free one.

    Not `socket.create_server`: the event loops switch Nagle's algorithm off only for sockets that
    name TCP as their protocol, and its sockets do not. A small message, such as a `clear`, would
    then wait up to 40 ms for the peer's delayed acknowledgement (measured).
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    return listener


class CallServer(uvicorn.Server):
    """uvicorn that says, once it listens, what to do next."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, then logs the one line that an operator waits for."""
        await super().startup(sockets)
        if not self.started:
            return
        _log.info(
            "ready",
            webhook=self._settings.voice_url,
            next_step="Twilio console > Phone Numbers > your number > A call comes in: "
            "enter this webhook, HTTP POST",
        )
