"""Server-sent events to a browser, made when it takes them: nothing waits for one that does not read.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. A browser whose stream was closed
comes again by itself, and is told all.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

HEARTBEAT_S: Final = 15.0
"""After so much silence a comment is sent, so that a connection that is gone is noticed."""

NOT_READ_S: Final = 15.0
"""A stream that takes nothing for so long is closed. Our own server cuts its connection before that."""

RETRY_MS: Final = 500
"""After this a browser comes again."""


_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def message(event: str, data: str) -> str:
    """One event. Empty data is told as well: without a line of it an event is none.

    A line ends with CR, LF or both, and what is shown may hold any of them.
    """
    lines = _LINE_END.split(data)
    return f"event: {event}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"


class EventStream(Response):
    """Sends what `next_message` makes, until that is None, or nobody takes it.

    Args:
        next_message: waits for the next one, and loses none when it is cancelled. Asked when the one before
            has left.
    """

    media_type = "text/event-stream"

    def __init__(self, next_message: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._next_message = next_message

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer."""
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(_left(receive), name="reader of a page's events")
            sending = tasks.create_task(self._send_all(send), name="events of a page")
            await asyncio.wait([leaving, sending], return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            sending.cancel()
        with contextlib.suppress(TimeoutError):
            await _sent(send, b"", more_body=False)

    async def _send_all(self, send: Send) -> None:
        told: str | None = f"retry: {RETRY_MS}\n\n"
        with contextlib.suppress(TimeoutError):  # It is not read.
            while told is not None:
                await _sent(send, told.encode())
                told = await self._message_or_sign()

    async def _message_or_sign(self) -> str | None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._next_message()
        except TimeoutError:
            return ": still here\n\n"


async def _sent(send: Send, body: bytes, *, more_body: bool = True) -> None:
    async with asyncio.timeout(NOT_READ_S):
        await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
