"""What happens in live calls, as server-sent events: one connection that stays, a message per event.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
Whoever reads slowly is told so and has to come again (`observe.feed`); whose connection takes nothing more at
all is cut by it (`process.http_protocol`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from callbridge.observe.feed import FeedItem, Subscription

HEARTBEAT_S: Final = 15.0
"""After so much silence a comment is sent: proxies cut what is idle for 60 s, and readers see that we are."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # Nginx would collect it.
]


@dataclass(frozen=True, slots=True)
class EventStream:
    """An ASGI answer that ends with its subscription, or with its reader.

    Args:
        events: what is sent.
        first: an event to begin with, as its name and its JSON text.
        told: an event's name and JSON text; None leaves it out.
    """

    events: Subscription
    first: tuple[str, bytes]
    told: Callable[[FeedItem], tuple[str, bytes] | None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until there is nothing more to send, or nobody to send it to."""
        del scope
        with self.events:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send(_body(_message(*self.first)))
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(self._wait_until_left(receive), name="reader of live events")
                await self._send_all(send)
                waiting.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    event = await anext(self.events)
            except TimeoutError:
                await send(_body(b": still here\n\n"))
            except StopAsyncIteration:
                return
            else:
                if (told := self.told(event)) is not None:
                    await send(_body(_message(*told)))

    async def _wait_until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.events.close()


def _message(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _body(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}
