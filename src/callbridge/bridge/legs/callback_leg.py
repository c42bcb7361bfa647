"""The fast lane: a leg that the socket's own parser calls with every message, without a task or a queue.

The WebSocket protocol is picows' (RFC 6455 in Cython). Here stands what it leaves to its user: joining
fragments, refusing reserved bits and broken UTF-8, answering a close or a ping, and noticing a peer that does
not read.

`on_ws_frame` and `send` are the audio path of every call: nothing may be done there that could be done per
call.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import TYPE_CHECKING, Final, cast

from picows import WSError, WSListener, WSMsgType

from callbridge.bridge.legs.leg import PHONE_ODD_FRAMES_AT_ONCE_MAX, PHONE_ODD_FRAMES_PER_SECOND_MAX
from callbridge.call.events import BadMessage, Leg, LegGone, LegStalled
from callbridge.call.flood import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from picows import WSFrame, WSTransport
    from picows.picows import WSCloseHandshake

    from callbridge.bridge.legs.leg import LegEnd, Patience, Read

PEERS_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""What a close frame may carry (RFC 6455, section 7.4, and its registry)."""

_TCP_INFO: Final = socket.TCP_INFO if sys.platform == "linux" else None
_BYTES_ACKED: Final = slice(120, 128)
"""`tcpi_bytes_acked` in Linux' `struct tcp_info` (tcp.h)."""

_TEXT: Final = WSMsgType.TEXT
_CONTINUATION: Final = WSMsgType.CONTINUATION
_BINARY: Final = WSMsgType.BINARY
_CLOSE: Final = WSMsgType.CLOSE
_PING: Final = WSMsgType.PING


class CallbackLeg(WSListener):
    """One socket of a call; implements `SocketLeg`. Made before its socket, which is opened for it."""

    __slots__ = (
        "_disconnected",
        "_early",
        "_ended",
        "_fragments",
        "_free",
        "_is_flooded",
        "_is_plain",
        "_leg",
        "_loop",
        "_may_send",
        "_odd_frames",
        "_patience",
        "_said",
        "_stall_watch",
        "_taken_bytes",
        "_transport",
        "message_bytes_max",
    )

    def __init__(self, leg: Leg, message_bytes_max: int, patience: Patience) -> None:
        self._leg = leg
        self.message_bytes_max: Final = message_bytes_max
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._free: WSTransport | None = None
        """The transport, while nothing is in the way of a send."""
        self._may_send = False
        self._early: list[bytes] = []
        self._said: Callable[[bytes], None] = self._early.append
        self._fragments: bytearray | None = None
        self._is_plain = True
        """No fragments of a message wait for the rest, and somebody wants to hear the next one."""
        self._odd_frames: Bucket | None = None
        if leg is Leg.PHONE:  # A model is not a stranger; and a proxy before it may cut everything in pieces.
            self._odd_frames = Bucket(PHONE_ODD_FRAMES_PER_SECOND_MAX, PHONE_ODD_FRAMES_AT_ONCE_MAX)
        self._is_flooded = False
        self._ended: asyncio.Future[LegEnd] = self._loop.create_future()
        self._disconnected: asyncio.Future[None] = self._loop.create_future()
        self._stall_watch: asyncio.TimerHandle | None = None
        self._taken_bytes = 0

    @property
    def is_connected(self) -> bool:
        """Whether its handshake was completed."""
        return self._transport is not None

    # --- What the call does with it ---

    def send(self, frame: bytes) -> None:
        """See `SocketLeg`. Written at once; what the kernel does not take waits in the transport."""
        transport = self._free
        if transport is not None:
            transport.send(_TEXT, frame)
        elif self._may_send and self._transport is not None:
            self._transport.send(_TEXT, frame)
            self._bound_what_waits()

    async def read(self, said: Read) -> LegEnd:
        """See `SocketLeg`. Also raises what `said` raises: a callback has nobody else to tell."""
        early, self._early = self._early, []
        self._said = said
        try:
            for message in early:
                self._said(message)  # By this name: one of them may be the last that anybody wants to hear.
            return await asyncio.shield(self._ended)
        finally:
            if self._said is said:  # Not that of somebody who reads on: a parked session changes hands.
                self._said = _forget

    def ignore(self) -> None:
        """See `SocketLeg`."""
        self._said, self._is_plain = _forget, False

    async def close(self, code: int, reason: str) -> None:
        """See `SocketLeg`. What is queued goes first."""
        if self._transport is None:
            return
        self._send_close(code, reason)
        try:
            async with asyncio.timeout(self._patience.close_timeout_s):
                await asyncio.shield(self._disconnected)
        except TimeoutError:
            # A graceful disconnect would wait, without bound, for a peer that does not read.
            self._transport.disconnect(graceful=False)
        with contextlib.suppress(WSError):  # What broke the leg was told to its reader.
            await self._transport.wait_disconnected()

    def cut(self, code: int, reason: str = "") -> None:
        """See `SocketLeg`."""
        if self._transport is not None:
            self._finish(LegGone(self._leg, code, reason), code, reason)

    # --- What the socket tells ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = self._free = transport
        self._may_send = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame of the peer. Once a close was sent, only its answer counts.

        It must be looked for: picows says nothing of a fault that it finds itself, and goes on reading.
        """
        if (
            frame.msg_type is not _TEXT
            or not frame.fin
            or frame.rsv1
            or frame.rsv2
            or frame.rsv3
            or not self._is_plain
            or transport.is_close_frame_sent
        ):
            self._rare_frame(transport, frame)
            return
        message = frame.get_payload_as_bytes()
        if not message.isascii():
            self._tell(message)
            return
        said = self._said  # Called by a name of its own: a call through a slot costs twice as much.
        try:
            said(message)
        except Exception as broken:  # noqa: BLE001  # The task that reads raises it.
            self._fail(broken)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is lost, whoever ended it."""
        self._free, self._may_send = None, False
        self._stop_watching()
        self._end(self._as_it_closed(transport))
        self._disconnected.set_result(None)

    def fault_found(self) -> None:
        """The protocol is about to close the socket. Its peer may take as long as it likes to let it."""
        self._loop.call_soon(self._tell_fault)

    def pause_writing(self) -> None:
        """The transport holds more than it likes: the peer must now take some of it in time."""
        self._free = None
        self._taken_bytes = self._bytes_taken()
        self._stall_watch = self._loop.call_later(self._patience.send_timeout_s, self._has_it_stalled)

    def resume_writing(self) -> None:
        """The peer has taken enough."""
        self._stop_watching()
        if self._may_send:
            self._free = self._transport

    # --- Messages ---

    def _tell(self, message: bytes) -> None:
        if not _is_utf8(message):
            self._reject(1007, "text that is not UTF-8")
            return
        try:
            self._said(message)
        except Exception as broken:  # noqa: BLE001  # The task that reads raises it.
            self._fail(broken)

    def _fail(self, broken: Exception) -> None:
        self.ignore()
        if not self._ended.done():
            self._ended.set_exception(broken)

    def _rare_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._odd_frames is not None and self._is_flood(transport, self._odd_frames):
            return
        if transport.is_close_frame_sent and frame.msg_type is not _CLOSE:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._reject(1002, "reserved bits are set")
        elif frame.msg_type is _CLOSE:
            self._answer_close(transport, frame.get_payload_as_bytes())
        elif frame.msg_type is _PING:
            # Not to a peer that does not read: it could make us hold pongs without bound.
            if self._may_send and self._stall_watch is None:
                transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type is _BINARY and self._fragments is None:
            self._end(BadMessage(self._leg, "a binary frame", is_fatal=True))
        elif frame.msg_type in (_TEXT, _BINARY, _CONTINUATION):
            self._join(frame)

    def _is_flood(self, transport: WSTransport, odd_frames: Bucket) -> bool:
        """Whether the peer sends more of such frames than anybody does. Then it is not read any more.

        What it has sent waits in its socket until that is closed. Its answer to our close stays unseen there.
        """
        if not self._is_flooded and odd_frames.overflows(self._loop.time()):
            self._is_flooded = True
            why = f"a flood of odd frames, more than {odd_frames.per_second:g} a second"
            self._end(BadMessage(self._leg, why, is_fatal=True))
            if not transport.underlying_transport.is_closing():
                transport.underlying_transport.pause_reading()
        return self._is_flooded

    def _join(self, frame: WSFrame) -> None:
        """One frame of a message that comes in several (RFC 6455, section 5.4)."""
        if (frame.msg_type is _CONTINUATION) is (self._fragments is None):
            self._reject(1002, "fragments of two messages")
            return
        if self._fragments is None:
            self._fragments, self._is_plain = bytearray(), False
        fragments = self._fragments
        fragments += frame.get_payload_as_bytes()
        if len(fragments) > self.message_bytes_max:
            self._reject(1009, f"a message above {self.message_bytes_max} bytes")
        elif frame.fin:
            self._fragments, self._is_plain = None, self._said is not _forget
            self._tell(bytes(fragments))

    # --- The end ---

    def _answer_close(self, transport: WSTransport, body: bytes) -> None:
        """RFC 6455, section 5.5.1: echoed, if it is not the answer to ours; then the connection ends."""
        code, reason = int.from_bytes(body[:2], "big"), body[2:].decode()
        if transport.is_close_frame_sent:
            transport.disconnect()
        elif not body:
            self._finish(LegGone(self._leg, 1005, ""), 1000, "")
        elif code in PEERS_CLOSE_CODES:
            self._finish(LegGone(self._leg, code, reason), code, reason)
        else:
            self._reject(1002, f"closed with {code}")

    def _tell_fault(self) -> None:
        self._free, self._may_send = None, False
        if self._transport is not None:
            self._end(self._as_it_closed(self._transport))

    def _as_it_closed(self, transport: WSTransport) -> LegGone:
        """How the connection ended, where no close frame of the peer told it."""
        handshake = cast("WSCloseHandshake | None", transport.close_handshake)
        if handshake is None:
            return LegGone(self._leg, 1006, "no close frame")
        # Its own close counts, even if rubbish followed in the same packet.
        first = handshake.recv if handshake.recv_then_sent else handshake.sent
        assert first is not None
        return LegGone(self._leg, first.code.value or 1005, first.reason or "")

    def _reject(self, code: int, why: str) -> None:
        """Ends a leg whose peer broke the protocol. One that has ended is closed by its call."""
        if not self._ended.done():
            self._finish(LegGone(self._leg, code, why), code, why)

    def _finish(self, how: LegGone, code: int, reason: str) -> None:
        self._end(how)
        self._send_close(code, reason)
        assert self._transport is not None
        self._transport.disconnect()

    def _send_close(self, code: int, reason: str) -> None:
        """Sends the one close frame; does nothing when one was sent, by us or by the protocol."""
        self._free, self._may_send = None, False
        assert self._transport is not None
        self._transport.send_close(code, reason)  # type: ignore[arg-type]  # Any number will do.

    def _end(self, how: LegEnd) -> None:
        """Tells the reader, once, and hands over no more."""
        self.ignore()
        if not self._ended.done():
            self._ended.set_result(how)

    # --- A peer that does not read ---

    def _bytes_waiting(self) -> int:
        assert self._transport is not None
        return self._transport.underlying_transport.get_write_buffer_size()

    def _bytes_taken(self) -> int:
        """What the peer's end has acknowledged: a full one acknowledges nothing.

        The buffer does not tell it. uvloop writes all that waits in one go, and counts it down when the last
        byte of that is gone.
        """
        assert self._transport is not None
        if _TCP_INFO is None:
            return -self._bytes_waiting()
        connection = self._transport.underlying_transport.get_extra_info("socket")
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.stop)
        return int.from_bytes(info[_BYTES_ACKED], sys.byteorder)

    def _bound_what_waits(self) -> None:
        if self._bytes_waiting() > self._patience.outbox_bytes_max:
            self._stall(f"more than {self._patience.outbox_bytes_max} bytes wait for it")

    def _has_it_stalled(self) -> None:
        if self._bytes_taken() == self._taken_bytes:
            self._stall(f"nothing was taken for {self._patience.send_timeout_s:g} s")
        else:
            self.pause_writing()

    def _stall(self, why: str) -> None:
        """Nothing more is sent: a gap in the audio must not be followed by more of it."""
        self._free, self._may_send = None, False
        self._stop_watching()
        self._end(LegStalled(self._leg, why))

    def _stop_watching(self) -> None:
        if self._stall_watch is not None:
            self._stall_watch.cancel()
            self._stall_watch = None


def _forget(_message: bytes) -> None:
    """What a peer says after its end is of no use to anybody."""


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
