"""uvicorn as a guest of the program that runs a simulator: without signals, and it says when it listens.

The service has one of its own: neither of the two may know the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]


class GuestServer(uvicorn.Server):
    """A server that leaves the signals to its host program."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self.is_listening.set()

    async def main_loop(self) -> None:
        """Serves until it is stopped."""
        async with asyncio.TaskGroup() as tasks:
            self._ticking = tasks.create_task(super().main_loop(), name="uvicorn ticks")

    def stop(self) -> None:
        """Ends it now: by itself uvicorn looks every tenth of a second whether it was told to."""
        self.should_exit = True
        if self._ticking is not None:
            self._ticking.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the host program."""
        yield


@asynccontextmanager
async def serving_as_guest(
    app: Callable[..., Awaitable[None]],
    listener: socket.socket,
    http: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> AsyncIterator[None]:
    """Serves an ASGI application over HTTP.

    Args:
        app: what is served.
        listener: where it listens already.
        http: the protocol of its connections.
    """
    kind: Any = http
    web = GuestServer(
        uvicorn.Config(
            app,
            interface="asgi3",
            proxy_headers=False,
            http=kind,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(web.serve(sockets=[listener]), name="guest-http")
        await web.is_listening.wait()
        try:
            yield
        finally:
            web.stop()
            await asyncio.wait([running])


async def read_request(scope: Message, receive: Receive, bytes_max: int) -> tuple[dict[str, str], bytes]:
    """The headers of a request, by names in small letters, and its body; little more than `bytes_max`."""
    body, is_more = b"", True
    while is_more and len(body) < bytes_max:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}, body
