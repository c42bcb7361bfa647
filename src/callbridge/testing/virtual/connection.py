"""A connection that is memory: two transports of asyncio, each of which hands over what the other writes.

What is written is there at once, and its reader is called in the next round of the loop: in the order of the
writes, and never from within one. A reader that pauses makes the other side wait, as a full socket does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = tuple[str, int]

HIGH_BYTES: Final = 64 * 1024
"""As asyncio has it: with more on its way a writer is asked to pause."""

READ_BYTES_MAX: Final = 256 * 1024
"""As asyncio has it: so much is handed over at a time."""

_ACKED_AT: Final = 120
"""Of `tcpi_bytes_acked` in Linux' `struct tcp_info` (tcp.h)."""


class MemorySocket:
    """What a transport says its socket is: options are kept, and there is nothing to read or to write.

    Its descriptor is one that never becomes readable, and that no `send` takes: who looks past the transport
    finds nothing there, and comes back to it.
    """

    family: Final = socket.AF_INET
    type: Final = socket.SOCK_STREAM
    proto: Final = socket.IPPROTO_TCP

    def __init__(self, own: Address, peer: Address, descriptor: int) -> None:
        self._own, self._peer, self._descriptor = own, peer, descriptor
        self._options: dict[tuple[int, int], int] = {}
        self.taken_bytes = 0
        """What the other side has read."""
        self.is_over = False
        """There is nothing to be had any more: who polls is told to look."""

    def fileno(self) -> int:
        """A descriptor; -1 once the other side has ended."""
        return -1 if self.is_over else self._descriptor

    def getsockname(self) -> Address:
        """Our own address."""
        return self._own

    def getpeername(self) -> Address:
        """The other side's."""
        return self._peer

    def setsockopt(self, level: int, option: int, value: Any, *_more: Any) -> None:
        """Keeps it."""
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """What was set, 0 for all else; of `TCP_INFO` what was taken."""
        if not size:
            return self._options.get((level, option), 0)
        told = bytearray(max(size, _ACKED_AT + 8))
        struct.pack_into("=Q", told, _ACKED_AT, self.taken_bytes)
        return bytes(told[:size])

    def setblocking(self, _is_blocking: bool) -> None:
        """Nothing here blocks."""

    def shutdown(self, _how: int) -> None:
        """The transport does it."""

    def close(self) -> None:
        """The transport does it."""


class MemoryTransport(asyncio.Transport):
    """One side of a connection. Made in pairs, by `connect`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: MemorySocket) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname(), "peername": sock.getpeername()})
        self._loop = loop
        self._socket = sock
        self._peer: MemoryTransport | None = None
        self._protocol: asyncio.BaseProtocol | None = None
        self._inbox: deque[bytes] = deque()
        """What the other side wrote, and nobody has read yet."""
        self._inbox_bytes = 0
        self._has_eof = False
        """The other side writes nothing more."""
        self._eof_told = False
        self._is_paused = False
        self._is_planned = False
        """`_deliver` is called in the next round."""
        self._is_closing = self._is_lost = False
        self._has_written_eof = False
        self._is_writing_paused = False
        self._high, self._low = HIGH_BYTES, HIGH_BYTES // 4

    # --- What its owner does ---

    def begin(self, protocol: asyncio.BaseProtocol, peer: MemoryTransport) -> None:
        """Both sides are there."""
        self._protocol, self._peer = protocol, peer
        protocol.connection_made(self)
        self._plan()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is called from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is called."""
        assert self._protocol is not None, "it has begun"
        return self._protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether its protocol is called for what comes."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """What comes waits."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """What waits is handed over."""
        self._is_paused = False
        self._plan()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The other side gets it in the next round."""
        assert not self._has_written_eof, "nothing is written behind the end"
        peer = self._peer
        if not data or self._is_closing or peer is None:
            return
        if peer._is_closing:
            self._lose(ConnectionResetError("the other side has closed the connection"))
            return
        peer._inbox.append(bytes(data))
        peer._inbox_bytes += len(data)
        peer._plan()
        if peer._inbox_bytes > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            self.get_protocol().pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """All of it, as one."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Nothing more is written."""
        if not self._has_written_eof and not self._is_closing:
            self._has_written_eof = True
            self._end_of_peer()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def get_write_buffer_size(self) -> int:
        """What the other side has not read: of it a socket's own buffer would hold most."""
        waiting = 0 if self._peer is None else self._peer._inbox_bytes
        return waiting if waiting > self._low else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From where on its protocol is asked to pause, and down to where to go on.

        A limit of 0 is one of asyncio's own buffer, which is empty as long as the socket takes everything.
        """
        self._high = max(HIGH_BYTES if high is None else high, HIGH_BYTES)
        self._low = self._high // 4 if low is None else min(max(low, HIGH_BYTES // 4), self._high)

    def close(self) -> None:
        """Ends both ways; what was written is still handed over."""
        self._lose(None)

    def abort(self) -> None:
        """The same: what has left is gone."""
        self._lose(None)

    # --- What happens ---

    def _plan(self) -> None:
        if not self._is_planned and not self._is_paused and self._protocol is not None:
            self._is_planned = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_planned = False
        if self._is_paused or self._is_closing:
            return
        if self._inbox:
            data = self._take()
            if self._peer is not None:
                self._peer._taken(len(data))
            self._hand_over(data)
            if self._inbox:
                self._plan()
        if self._has_eof and not self._eof_told and not self._inbox and not self._is_paused:
            self._eof_told = True
            if not self.get_protocol().eof_received():  # type: ignore[attr-defined]  # Of both kinds.
                self.close()

    def _take(self) -> bytes:
        """What is read in one go."""
        data = self._inbox[0] if len(self._inbox) == 1 else b"".join(self._inbox)
        self._inbox.clear()
        if len(data) > READ_BYTES_MAX:
            self._inbox.append(data[READ_BYTES_MAX:])
            data = data[:READ_BYTES_MAX]
        self._inbox_bytes -= len(data)
        return data

    def _hand_over(self, data: bytes) -> None:
        protocol: Any = self._protocol
        try:
            # As uvloop tells them apart: a Cython class cannot derive from asyncio's.
            if hasattr(protocol, "get_buffer"):
                self._fill(protocol, data)
            else:
                protocol.data_received(data)
        except Exception as error:  # noqa: BLE001  # As with asyncio's: it ends this connection alone.
            self._loop.call_exception_handler(
                {"message": "Fatal error: a protocol failed", "exception": error, "protocol": protocol}
            )
            self._lose(error)

    def _fill(self, protocol: Any, data: bytes) -> None:
        """Into buffers of the protocol's own; if it is replaced meanwhile, the rest is for the next one."""
        at = 0
        while at < len(data) and not self._is_closing:
            buffer = protocol.get_buffer(-1)
            part = data[at : at + len(buffer)]
            buffer[: len(part)] = part
            at += len(part)
            protocol.buffer_updated(len(part))
            if self._is_paused or self._protocol is not protocol:
                self._put_back(data[at:])
                return

    def _put_back(self, rest: bytes) -> None:
        if rest:
            self._inbox.appendleft(rest)
            self._inbox_bytes += len(rest)
            self._plan()

    def _taken(self, count: int) -> None:
        """The other side has read so much."""
        self._socket.taken_bytes += count
        waiting = 0 if self._peer is None else self._peer._inbox_bytes
        if self._is_writing_paused and waiting <= self._low and not self._is_lost:
            self._is_writing_paused = False
            self.get_protocol().resume_writing()

    def _end_of_peer(self) -> None:
        peer = self._peer
        if peer is not None and not peer._has_eof:
            peer._has_eof = peer._socket.is_over = True
            peer._plan()

    def _lose(self, error: BaseException | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._end_of_peer()
            self._loop.call_soon(self._lost, error)

    def _lost(self, error: BaseException | None) -> None:
        self._is_lost = True
        self._inbox.clear()
        self._inbox_bytes = 0
        protocol, peer = self.get_protocol(), self._peer
        if peer is not None and peer._is_writing_paused:
            peer._taken(0)
        protocol.connection_lost(error if isinstance(error, Exception) else None)


def connect(
    loop: asyncio.AbstractEventLoop,
    client: asyncio.BaseProtocol,
    server: asyncio.BaseProtocol,
    sockets: tuple[MemorySocket, MemorySocket],
) -> MemoryTransport:
    """Joins two protocols; the client's transport. The server learns of it first, as it would by `accept`."""
    near, far = MemoryTransport(loop, sockets[0]), MemoryTransport(loop, sockets[1])
    far.begin(server, near)
    near.begin(client, far)
    return near
