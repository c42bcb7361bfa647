"""An HTTP server of a test's own, in its loop: it keeps what it was asked, and answers byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Asked:
    """One request, as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in small letters."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class SmallServer:
    """It answers each request with what `answer` makes of it; with nothing, ever, where that is None."""

    answer: Callable[[Asked], bytes | None]
    origin: str = ""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None, "it runs in one"
        self._serving.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                answer = self.answer(asked)
                if answer is None:
                    await self._let_go.wait()
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def finish(self) -> None:
        """Answers nothing more, and waits until the peers are gone."""
        self._let_go.set()
        if self._serving:
            await asyncio.wait(self._serving)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *lines = head.split("\r\n")
    method, target, _ = line.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


@asynccontextmanager
async def small_server(
    answer: Callable[[Asked], bytes | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[SmallServer]:
    """A server on a free port of this machine."""
    running = SmallServer(answer)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0, ssl=tls)
    running.origin = f"http{'s' if tls else ''}://localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield running
        await running.finish()


def answered(
    body: bytes | str, *, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    """A whole answer. `more`: header lines, each with its end."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    return head.encode() + content
