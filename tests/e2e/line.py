"""A stretch of the way between Twilio and the service, on which the caller's frames can be spoiled.

It carries bytes both ways. Of a media stream it knows the frames that come from the phone, so that a fault
has its place between two of them, counted in the caller's own time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import raw_peer
from e2e.stack import hold_on, only_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALL_BUFFER_BYTES = 4096
"""Of a way that will be stuck: what the kernel holds, the service believes to be sent."""


@dataclass(frozen=True)
class Frame:
    """One frame from the phone."""

    raw: bytes
    text: str

    @classmethod
    def taken(cls, unread: bytearray) -> Frame | None:
        """The first whole frame of what has come in, taken off it."""
        before = bytes(unread)
        frame = raw_peer.take_frame(unread, masked=True)
        if frame is None:
            return None
        is_text = frame.opcode == raw_peer.Opcode.TEXT
        return cls(before[: len(before) - len(unread)], frame.payload.decode() if is_text else "")

    @property
    def event(self) -> str:
        """Twilio's name of the message; nothing for a control frame."""
        return str(json.loads(self.text)["event"]) if self.text.startswith('{"event"') else ""

    @property
    def is_media(self) -> bool:
        """Whether it is 20 ms of the caller."""
        return self.text.startswith('{"event":"media"')


@dataclass
class Way:
    """One media stream on its way."""

    phone: asyncio.StreamWriter
    service: asyncio.StreamWriter
    start: str = ""
    """Its start message."""
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    media: int = 0
    """Frames of the caller so far."""
    kept: bytes = b""
    """A frame that comes later."""
    spoiled: int = 0
    """Frames that went through the hands of the spoiler."""

    def cut(self) -> None:
        """Both ends are gone without a word."""
        for writer in (self.phone, self.service):
            writer.transport.abort()

    def stop_reading(self) -> None:
        """Nothing of the service's is taken any more."""
        self.may_read.clear()


Spoil: TypeAlias = Callable[[int, Frame, Way], list[bytes]]
"""What goes on in place of a frame, the n-th since the moment of the fault, counted from 0."""


@dataclass
class Line:
    """The line of one call. `target` is the port of the service, known once it runs."""

    spoil: Spoil
    from_media: int | None
    """The fault begins with this frame of the caller; without a number with the start itself."""
    on_every_stream: bool = False
    is_deaf: bool = False
    target: int = 0
    url: str = ""
    _streams: int = 0

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Line]:
        """The line, for as long as it is used."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hold_on()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._carry(reader, writer)
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_stream = b"upgrade: websocket" in head.lower()
        far_reader, far_writer = await self._far_end(is_small=is_stream and self.is_deaf)
        way = Way(writer, far_writer)
        way.may_read.set()
        far_writer.write(only_request(head))
        try:
            back = asyncio.create_task(_pipe(far_reader, writer, way.may_read))
            try:
                if is_stream:
                    self._streams += 1
                    await self._frames(reader, way, is_spoiled=self.on_every_stream or self._streams == 1)
                else:
                    await _pipe(reader, far_writer, way.may_read)
                    far_writer.write_eof()
                    await back
            finally:
                back.cancel()
        finally:
            far_writer.transport.abort()

    async def _far_end(self, *, is_small: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        far = socket.socket()
        far.setblocking(False)
        if is_small:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self.target))
        return await asyncio.open_connection(sock=far, limit=SMALL_BUFFER_BYTES if is_small else 65536)

    async def _frames(self, reader: asyncio.StreamReader, way: Way, *, is_spoiled: bool) -> None:
        unread = bytearray()
        while data := await reader.read(65536):
            unread += data
            while frame := Frame.taken(unread):
                for raw in self._passed(frame, way) if is_spoiled else [frame.raw]:
                    way.service.write(raw)
                if way.service.transport.is_closing():
                    return
                await way.service.drain()

    def _passed(self, frame: Frame, way: Way) -> list[bytes]:
        if frame.event == "start":
            way.start = frame.text
        if not self._has_begun(frame, way):
            return [frame.raw]
        passed = self.spoil(way.spoiled, frame, way)
        way.spoiled += 1
        return passed

    def _has_begun(self, frame: Frame, way: Way) -> bool:
        way.media += frame.is_media
        if self.from_media is None:
            return bool(way.start)
        return way.media >= self.from_media


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_read: asyncio.Event) -> None:
    while True:
        await may_read.wait()
        data = await reader.read(65536)
        if not may_read.is_set():
            continue  # It was taken off the socket at the moment at which nothing was to be taken any more.
        if not data:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            return
        writer.write(data)
        await writer.drain()


def text_frame(text: str) -> bytes:
    """A text frame as a client sends it."""
    return raw_peer.text(text).encode(masks=True)
