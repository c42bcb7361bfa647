"""Where a media socket leaves uvicorn's queue: the route asks for its leg to be called by the socket itself.

Routing, signature and refusal stay with FastAPI. The route finds the offer among the ASGI extensions of its
scope; under another server it finds none and uses receive and send.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX
from callbridge.bridge.legs.picows_protocol import LegProtocol
from callbridge.server.process.listening.http_bounds import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, MutableMapping

    from uvicorn._types import ASGISendEvent

    from callbridge.bridge.legs.callback_leg import CallbackLeg

FAST_LANE: Final = "callbridge.fast_lane"
"""The ASGI extension. Its `take_over` accepts the upgrade for a `CallbackLeg`, in place of `accept()`."""

LINGER_S = 5.0
"""After the end of a call: how long its peer may take to read the rest and to answer the close."""

SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel may hold of a phone's audio, some seconds. By itself it takes megabytes, which is minutes:
for so long a phone that reads nothing any more would look as if it heard everything."""


RECEIVE_BUFFER_BYTES: Final = 128 * 1024
"""What the kernel may hold of what a phone has sent, and so what is read of it in one go: picows takes all
that there is, and by itself the kernel takes 6 MB, which is seconds of work for the loop. Linux doubles this,
for its own needs: in frames of 20 ms it is some seconds, and the rest waits at the sender."""


def take_over(scope: MutableMapping[str, Any], leg: CallbackLeg) -> bool:
    """Accepts the upgrade of `scope` for `leg`; false where the server has no fast lane."""
    offer = scope.get("extensions", {}).get(FAST_LANE)
    if offer is None:
        return False
    offer["take_over"](leg)
    return True


class DroppingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sockets, for peers that do not read.

    A closed transport waits without bound until its peer has taken what is left, so that a peer that
    takes nothing would keep the socket of a call that is over.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Sends; a refused upgrade is then an answered one.

        uvicorn forgets that, and would log each refusal as a fault of the application.
        """
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Runs the call of one socket, and sees to it that the socket goes after it."""
        await super().run_asgi()
        self.loop.call_later(LINGER_S, self.transport.abort)


class FastLaneProtocol(DroppingProtocol):
    """uvicorn's socket up to the upgrade; after it the same connection speaks with a leg."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hasty = bytearray()

    def data_received(self, data: bytes) -> None:
        """The upgrade; what a hasty peer sends after it waits for the answer. Not called after `take_over`.

        uvicorn would read it at once, and send its pong or close ahead of the answer. More than a message is
        too much: Twilio says nothing before it is answered.
        """
        if self.handshake_initiated and not self.handshake_complete:
            self._hasty += data
            # Ahead of the answer Twilio sends nothing; anybody else no more than one message.
            if len(self._hasty) > PHONE_MESSAGE_BYTES_MAX:
                self.transport.abort()
            return
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # The head came whole: a line of it has more than 8 KiB, of which the parser says nothing at all.
            self.transport.write(Refusal.LARGE_HEAD.answer)
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """For a route that takes nothing over: from its answer on uvicorn has everything."""
        await super().send(message)
        if self._hasty and self.handshake_complete and not self.transport.is_closing():
            hasty, self._hasty = bytes(self._hasty), bytearray()
            super().data_received(hasty)

    async def run_asgi(self) -> None:
        """Runs the application with the offer in its scope."""
        self.scope["extensions"][FAST_LANE] = {"take_over": self.take_over}
        await super().run_asgi()

    def take_over(self, leg: CallbackLeg) -> None:
        """Accepts the upgrade. From now on everything that comes goes to `leg`, and its `send` to the peer.

        Raises:
            ClientDisconnected: it went while its upgrade was checked. uvicorn takes that from an application.
        """
        if self.transport.is_closing():
            raise ClientDisconnected
        tcp = self.transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        taken = _TakenSocket(leg, self.connections)
        taken.connection_made(_CopyingTransport(self.transport))
        self.transport.set_protocol(taken)
        self.connections.add(taken)
        self.connections.remove(self)
        taken.feed(self._handshake() + self._hasty)
        # All that is left to do here is to wait for the application. 9 KB of every call.
        self.handshake_complete = True
        del self.conn, self.queue, self.response, self._hasty

    def _handshake(self) -> bytes:
        """The upgrade in its plainest form: uvicorn has checked the real one, which may be wordier."""
        key = dict(self.scope["headers"])[b"sec-websocket-key"]
        return (
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )


class _TakenSocket(LegProtocol):
    """The connection after the upgrade, among those that uvicorn counts and shuts down."""

    def __init__(self, leg: CallbackLeg, connections: set[Any]) -> None:
        super().__init__(leg)
        self._leg = leg
        self._connections = connections

    def connection_lost(self, error: Exception | None) -> None:
        """The peer is gone, or we are."""
        super().connection_lost(error)
        self._connections.discard(self)

    def shutdown(self) -> None:
        """The server stops: 1012 is RFC 6455's code for a restart, and uvicorn's."""
        self._leg.cut(1012)


class _CopyingTransport:
    """uvicorn's transport, as picows may use it.

    picows writes a long frame in two parts, of which the first is a view of its one header buffer. The event
    loops keep such a view until the peer takes it; by then it would be the header of a later frame.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def writelines(self, parts: Iterable[bytes | memoryview]) -> None:
        """Writes the parts as one."""
        self._transport.write(b"".join(parts))
