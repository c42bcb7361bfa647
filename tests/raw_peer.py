"""A WebSocket peer by hand, on a plain socket: says what no library would, and reads only when told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from websockets.utils import accept_key

from leftovers import until

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of RFC 6455, section 1.3."""

_MASK: Final = b"\x37\xfa\x21\x3d"


class Opcode(IntEnum):
    """RFC 6455, section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True)
class Frame:
    """One frame, right or wrong."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    reserved: int = 0
    """The three reserved bits."""
    is_wrongly_masked: bool = False
    """Masked as its sender must not be, or unmasked as it must not be."""
    wide: int = 0
    """Bytes of its length field (2 or 8), where they are more than it needs."""

    def encode(self, *, masks: bool) -> bytes:
        """The frame as bytes of a peer that masks (a client) or does not (a server)."""
        head = bytearray([self.fin << 7 | self.reserved << 4 | self.opcode])
        is_masked = masks is not self.is_wrongly_masked
        length, mask_bit = len(self.payload), is_masked << 7
        if length >= 65536 or self.wide == 8:
            head += struct.pack("!BQ", mask_bit | 127, length)
        elif length >= 126 or self.wide == 2:
            head += struct.pack("!BH", mask_bit | 126, length)
        else:
            head.append(mask_bit | length)
        if not is_masked:
            return bytes(head + self.payload)
        keys = (_MASK * (length // 4 + 1))[:length]
        masked = (int.from_bytes(self.payload) ^ int.from_bytes(keys)).to_bytes(length)
        return bytes(head + _MASK + masked)


def text(payload: str | bytes, *, fin: bool = True) -> Frame:
    """A text message, or its first fragment."""
    return Frame(Opcode.TEXT, payload.encode() if isinstance(payload, str) else payload, fin)


def more(payload: str | bytes = b"", *, fin: bool = False) -> Frame:
    """A further fragment."""
    return Frame(Opcode.CONTINUATION, payload.encode() if isinstance(payload, str) else payload, fin)


def closing(code: int, reason: str | bytes = b"") -> Frame:
    """A close frame."""
    body = reason.encode() if isinstance(reason, str) else reason
    return Frame(Opcode.CLOSE, struct.pack("!H", code) + body)


class RawPeer:
    """The far end of a leg's socket. Closed by whoever opened it."""

    def __init__(self, end: socket.socket, *, masks: bool, port: int) -> None:
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = end
        self._masks = masks
        self._port = port
        """Of the other end."""
        self._unread = bytearray()
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(
        cls,
        port: int,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        hasty: bytes = b"",
        receive_buffer_bytes: int | None = None,
    ) -> RawPeer:
        """A client after its upgrade. It sends `hasty` with it, and keeps a small window if told so."""
        peer = await cls.call(port, receive_buffer_bytes)
        try:
            lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
            lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            await peer.send("\r\n".join([*lines, "", ""]).encode() + hasty)
            head = await peer.read_head()
            assert head.startswith(b"HTTP/1.1 101 "), head
            assert _accept(KEY.encode()) in head, head
        except BaseException:
            peer.close()
            raise
        return peer

    @classmethod
    async def call(cls, port: int, receive_buffer_bytes: int | None = None) -> RawPeer:
        """A client that has not said a word yet."""
        end = socket.socket()
        if receive_buffer_bytes is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        peer = cls(end, masks=True, port=port)
        try:
            await peer._loop.sock_connect(end, ("127.0.0.1", port))
        except BaseException:
            peer.close()
            raise
        return peer

    @classmethod
    async def accept(
        cls, listener: socket.socket, *, connection: str = "Upgrade", hasty: bytes = b""
    ) -> RawPeer:
        """A server after its upgrade; `hasty` comes in the packet of its answer."""
        peer = await cls.accept_silently(listener)
        try:
            await peer.send(answer_to(await peer.read_head(), connection=connection) + hasty)
        except BaseException:
            peer.close()
            raise
        return peer

    @classmethod
    async def accept_silently(cls, listener: socket.socket) -> RawPeer:
        """A server that has not said a word yet."""
        end, (_host, port) = await asyncio.get_running_loop().sock_accept(listener)
        return cls(end, masks=False, port=port)

    async def send(self, *what: Frame | bytes) -> None:
        """Sends everything at once: it comes in one packet if it fits."""
        parts = [part if isinstance(part, bytes) else part.encode(masks=self._masks) for part in what]
        await self._loop.sock_sendall(self._socket, b"".join(parts))

    async def send_bytewise(self, *what: Frame) -> None:
        """Every byte in a packet of its own. The other end may read several at once, and mostly does not."""
        for byte in b"".join(frame.encode(masks=self._masks) for frame in what):
            await self._loop.sock_sendall(self._socket, bytes([byte]))
            for _turn in range(2):
                await asyncio.sleep(0)

    async def was_read(self) -> None:
        """The other end, which is on this machine, has read all that was sent, or is gone."""
        ports = f":{self._port:04X}", f":{self._socket.getsockname()[1]:04X}"
        assert await until(lambda: not _unread_bytes(*ports))

    def half_close(self) -> None:
        """Sends nothing more, and still reads."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Is gone without a word: RST in place of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Lets the socket go. May be done twice."""
        self._socket.close()

    async def read_head(self) -> bytes:
        """The HTTP head; what comes after it stays unread."""
        while b"\r\n\r\n" not in self._unread:
            assert await self._read_more(), f"no whole head: {bytes(self._unread)!r}"
        head, _, rest = bytes(self._unread).partition(b"\r\n\r\n")
        self._unread[:] = rest
        return head

    async def read_frame(self) -> Frame | None:
        """The next frame; none once the other end has closed or broken the connection."""
        while (frame := take_frame(self._unread, masked=not self._masks)) is None:
            if not await self._read_more():
                assert not self._unread, f"half a frame: {bytes(self._unread)!r}"
                return None
        return frame

    async def read_to_end(self) -> list[Frame]:
        """All frames that come until the connection ends."""
        frames = []
        while (frame := await self.read_frame()) is not None:
            frames.append(frame)
        return frames

    async def read_to_close(self) -> list[Frame]:
        """All frames up to the other end's close, which is answered; or up to a connection that is cut."""
        frames: list[Frame] = []
        while (frame := await self.read_frame()) is not None:
            frames.append(frame)
            if frame.opcode == Opcode.CLOSE:
                with contextlib.suppress(ConnectionError):  # It need not wait for an answer.
                    await self.send(Frame(Opcode.CLOSE, frame.payload))
                assert await self.read_to_end() == []
                break
        return frames

    async def read_exactly(self, size: int) -> bytes:
        """So many raw bytes."""
        while len(self._unread) < size:
            assert await self._read_more(), f"not {size} bytes: {bytes(self._unread)!r}"
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    async def read_rest(self) -> bytes:
        """All raw bytes that come until the connection ends, in whatever way."""
        while await self._read_more():
            pass
        data = bytes(self._unread)
        self._unread.clear()
        return data

    async def read_some(self, bytes_max: int) -> bytes:
        """Some raw bytes: for a peer that hardly reads."""
        return await self._loop.sock_recv(self._socket, bytes_max)

    async def _read_more(self) -> bool:
        try:
            data = await self._loop.sock_recv(self._socket, 65536)
        except ConnectionError:
            return False
        self._unread += data
        return bool(data)


def take_frame(data: bytearray, *, masked: bool) -> Frame | None:
    """Takes a whole frame off the front of `data`, of a peer that has to mask or that must not."""
    if len(data) < 2:
        return None
    size_length = {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    is_masked, mask_at = bool(data[1] & 0x80), 2 + size_length
    begin = mask_at + 4 * is_masked
    length = int.from_bytes(data[2:mask_at]) if size_length else data[1] & 0x7F
    if len(data) < begin + length:
        return None
    payload = bytes(data[begin : begin + length])
    if is_masked:
        keys = (bytes(data[mask_at:begin]) * (length // 4 + 1))[:length]
        payload = (int.from_bytes(payload) ^ int.from_bytes(keys)).to_bytes(length)
    frame = Frame(data[0] & 0xF, payload, bool(data[0] & 0x80), data[0] >> 4 & 7, is_masked is not masked)
    del data[: begin + length]
    return frame


def answer_to(head: bytes, *more: str, connection: str = "Upgrade") -> bytes:
    """The answer of a server to a good upgrade, with further headers."""
    lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
    fields = {name.lower(): value for name, _, value in lines}
    assert fields[b"upgrade"] == b"websocket", fields
    accept = _accept(fields[b"sec-websocket-key"]).decode()
    answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", f"Connection: {connection}"]
    return "\r\n".join([*answer, f"Sec-WebSocket-Accept: {accept}", *more, "", ""]).encode()


def _unread_bytes(local_port: str, remote_port: str) -> int:
    """What waits in the kernel for whoever reads the connection between these ports."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _number, local, remote, _state, queues, *_rest = line.split()
        if local.endswith(local_port) and remote.endswith(remote_port):
            return int(queues.partition(":")[2], 16)
    return 0


def _accept(key: bytes) -> bytes:
    return accept_key(key.decode()).encode()
