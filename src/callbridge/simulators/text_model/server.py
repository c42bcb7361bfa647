"""The text model on a socket: a plain ASGI application. Decisions are `TextModel`'s."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from callbridge.simulators.guest_server import read_request, serving_as_guest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from callbridge.simulators.text_model.completions import TextModel

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

BODY_BYTES_MAX = 4_000_000
"""More of a request is not read."""


class TextModelServer:
    """A running text model. Made by `serve_text_model`."""

    def __init__(self, model: TextModel, base_url: str) -> None:
        self.model = model
        self.base_url = base_url
        """What a client is given, `/v1` included."""
        self._released = asyncio.Event()

    def release(self) -> None:
        """Lets go of those whose answers hang."""
        self._released.set()

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        headers, body = await read_request(scope, receive, BODY_BYTES_MAX)
        answer = self.model.answer(scope["method"], scope["path"], headers, body)
        if answer is None:
            await self._released.wait()
            return
        lines = [("content-type", "application/json"), *answer.headers]
        encoded = [(name.encode(), value.encode()) for name, value in lines]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serve_text_model(
    model: TextModel, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[TextModelServer]:
    """Serves a text model.

    Args:
        model: what is served.
        host: address to listen on.
        port: 0 for a free one; `TextModelServer.base_url` has it.

    Raises:
        OSError: the port is taken.
    """
    with socket.create_server((host, port)) as listener:
        server = TextModelServer(model, f"http://{host}:{listener.getsockname()[1]}/v1")
        async with serving_as_guest(server.serve, listener):
            try:
                yield server
            finally:
                server.release()
