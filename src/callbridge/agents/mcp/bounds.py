"""The bounds of what a server sends, however it is reached."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from callbridge.agents.mcp.readable import readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from mcp.client._transport import ReadStream
    from mcp.shared.message import SessionMessage

MESSAGE_BYTES_MAX: Final = 512 * 1024
"""Of one message. A list of a hundred tools has 100 KiB; to read this takes 5 ms, and calls wait so long."""

MESSAGES_MAX: Final = 500
WITHIN_S: Final = 10.0
"""More than 50 messages a second, for ten seconds, are nothing that anybody needs: each costs 0.1 ms."""


BYTES_MAX: Final = 16 * 1024 * 1024
"""Of all messages within the same time: to read them takes a sixth of a second, piece by piece."""


class Volume:
    """The bytes that come from a server over one connection, counted.

    Args:
        ended: told once there are too many, with the reason.
        now: a monotonic clock, in seconds.
    """

    def __init__(self, ended: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._ended, self._now = ended, now
        self._since, self._bytes = now(), 0

    def is_too_much(self, more: int) -> bool:
        """Whether it is, with so many more."""
        now = self._now()
        if now - self._since > WITHIN_S:
            self._since, self._bytes = now, 0
        self._bytes += more
        if self._bytes <= BYTES_MAX:
            return False
        self._ended(f"it has sent more than {BYTES_MAX // 1024} KiB in {WITHIN_S:g} s")
        return True


class Metered:
    """What comes from a server, counted and made readable: one that sends too much is heard no more.

    Args:
        stream: what comes.
        ended: told when nothing more comes, with the reason where it is ours.
        now: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        stream: ReadStream[SessionMessage | Exception],
        ended: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._ended, self._now = stream, ended, now
        self._since, self._count = now(), 0

    async def receive(self) -> SessionMessage | Exception:
        """The next one."""
        return readable(await self._stream.receive())

    async def aclose(self) -> None:
        """Nothing more is read."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            item = await self._stream.__anext__()
        except StopAsyncIteration:
            self._ended("")
            raise
        if self._is_too_much():
            self._ended(f"it has sent more than {MESSAGES_MAX} messages in {WITHIN_S:g} s")
            raise StopAsyncIteration
        return readable(item)

    def _is_too_much(self) -> bool:
        now = self._now()
        if now - self._since > WITHIN_S:
            self._since, self._count = now, 0
        self._count += 1
        return self._count > MESSAGES_MAX

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stream.__aexit__(kind, error, trace)
