"""An HTTP peer in place of Twilio's API that answers as it is told: rightly, wrongly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Answer:
    """One answer. By default the body is JSON."""

    status: int = 200
    body: object = None
    text: str | None = None
    """In place of JSON."""


HANG = "hang"
"""Reads the request and says nothing more."""
CLOSE = "close"
"""Reads the request and closes the connection."""

OK_CALL = Answer(201, {"sid": "CA" + "1" * 32, "status": "queued"})


def refused(status: int, code: int, message: str = "No.") -> Answer:
    """As the 2010 API refuses."""
    return Answer(status, {"code": code, "message": message, "more_info": "", "status": status})


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    headers: dict[str, str] = field(repr=False)


class RestPeer:
    """Answers by its script, in order; the last answer over and over."""

    def __init__(self, *script: Answer | str) -> None:
        self.script, self.asked, self.url = list(script), list[Asked](), ""
        self.has_been_asked = asyncio.Event()
        self.connections = set[asyncio.Task[None]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        is_open = True
        try:
            while is_open:
                await self._read(reader)
                is_open = await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has gone.
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        parts = urlsplit(target)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        form = parse_qsl(body.decode(), keep_blank_values=True)
        self.asked.append(Asked(method, parts.path, parse_qsl(parts.query), form, headers))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.has_been_asked.set()
        if isinstance(answer, str):
            if answer == HANG:
                await reader.read()  # Until the client goes away.
            return False
        text = json.dumps(answer.body) if answer.text is None else answer.text
        writer.write(
            f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text.encode())}\r\n\r\n{text}".encode()
        )
        await writer.drain()
        return True


@asynccontextmanager
async def rest_peer(*script: Answer | str) -> AsyncIterator[RestPeer]:
    """A peer that listens while the block runs."""
    peer = RestPeer(*script)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.wait_for(asyncio.gather(*peer.connections), 2)
