"""The two sockets of a call behind one small interface: read until gone, send without waiting, close.

A leg knows its transport and nothing of the call. Sending never waits: what the peer does not take is
buffered up to a bound, and a peer that stops reading is reported as stalled; it never blocks the other leg.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from callbridge.call.actions import BadMessage, Leg, LegGone, ModelDialFailed
from callbridge.wire.errors import UNREADABLE

if TYPE_CHECKING:
    import ssl

PHONE_MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Twilio's media frames have under 400 bytes, its start message perhaps 2,000; more gets 1009."""

MODEL_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""A delta is a few kB; `session.updated` repeats all instructions and tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much and how long a leg waits for a peer that does not read."""

    outbox_bytes_max: int = 4 * 1024 * 1024
    """More than five minutes of agent audio in base64, sent ahead of real time. Above: the peer is dead."""

    send_timeout_s: float = 5.0
    """One message not taken by the peer for so long: it has stopped reading."""

    close_timeout_s: float = 2.0
    """For the peer to take what is queued and to answer a close. After it the socket is dropped."""


Read: TypeAlias = Callable[[str | bytes], None]


class SocketLeg(Protocol):
    """One socket. `read` and `write` run as tasks of the call; the rest is called from anywhere."""

    def send(self, frame: bytes) -> None:
        """Queues the UTF-8 text of one frame. After the end of the leg it is thrown away."""

    async def read(self, said: Read) -> LegGone | BadMessage:
        """Hands every text message to `said` until the peer is gone or sends a binary frame."""

    async def write(self) -> str:
        """Writes what was queued. Ends with the reason when the peer stops reading."""

    async def close(self, code: int, reason: str) -> None:
        """Closes with `code`. Bounded, whatever the peer does; safe on a leg that is gone."""


class Dialer(Protocol):
    """Opens the model leg of one call."""

    async def dial(self) -> SocketLeg:
        """A socket to the model.

        Raises:
            DialError: refused, unreachable or too slow.
        """


class Outbox:
    """What waits to be written to one peer, in order, bounded in bytes and in time."""

    def __init__(self, write_one: Callable[[bytes], Awaitable[None]], patience: Patience) -> None:
        self._write_one = write_one
        self._patience = patience
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._is_overfull = False
        self._is_filled = asyncio.Event()
        self.is_open = True

    def put(self, frame: bytes) -> None:
        """Queues a frame. Thrown away once the outbox is shut, or over its bound: then the peer is dead."""
        if not self.is_open or self._is_overfull:
            return
        self._is_filled.set()
        self._is_overfull = self._bytes + len(frame) > self._patience.outbox_bytes_max
        if not self._is_overfull:
            self._frames.append(frame)
            self._bytes += len(frame)

    async def write_forever(self) -> str:
        """Writes until the peer stalls; answers how. A peer that is gone is the reader's business."""
        while True:
            await self._is_filled.wait()
            self._is_filled.clear()
            while self._frames and not self._is_overfull:
                try:
                    await self._write_next()
                except TimeoutError:
                    return f"a message was not taken for {self._patience.send_timeout_s:g} s"
            if self._is_overfull:
                return f"more than {self._patience.outbox_bytes_max} bytes wait for it"

    async def flush(self) -> None:
        """Writes all that is queued.

        Raises:
            TimeoutError: the peer does not take a message in time.
        """
        while self._frames:
            await self._write_next()

    async def _write_next(self) -> None:
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        async with asyncio.timeout(self._patience.send_timeout_s):
            await self._write_one(frame)

    def shut(self) -> None:
        """Forgets what is queued and takes no more."""
        self.is_open = self._is_overfull = False
        self._frames.clear()
        self._bytes = 0


# --- The phone leg: an ASGI WebSocket that was accepted ----------------------------------------------

AsgiMessage: TypeAlias = MutableMapping[str, Any]


class AsgiSocket(Protocol):
    """What an ASGI server gives us, as Starlette wraps it."""

    async def receive(self) -> AsgiMessage:
        """The next message of the peer."""

    async def send(self, message: AsgiMessage) -> None:
        """Sends to the peer; waits while its buffer is full."""


class PhoneLeg:
    """Twilio's socket."""

    def __init__(self, socket: AsgiSocket, patience: Patience | None = None) -> None:
        self._socket = socket
        self._patience = patience or Patience()
        self._outbox = Outbox(self._send_text, self._patience)
        self.send = self._outbox.put

    async def read(self, said: Read) -> LegGone | BadMessage:
        """See `SocketLeg`."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._outbox.shut()
                return LegGone(Leg.PHONE, message.get("code") or 1005, message.get("reason") or "")
            text = message.get("text")
            if text is None:
                return BadMessage(Leg.PHONE, "a binary frame", is_fatal=True)
            said(text)

    async def write(self) -> str:
        """See `SocketLeg`."""
        return await self._outbox.write_forever()

    async def close(self, code: int, reason: str) -> None:
        """See `SocketLeg`. What is queued goes first.

        uvicorn sends no close frame by itself when a handler returns.
        """
        if not self._outbox.is_open:
            return
        try:
            async with asyncio.timeout(self._patience.close_timeout_s):
                await self._outbox.flush()
                await self._socket.send({"type": "websocket.close", "code": code, "reason": reason})
        except TimeoutError:
            pass  # It stopped reading long ago; the server drops the connection when we return.
        except (RuntimeError, OSError):
            pass  # It went away in this very moment: Starlette and uvicorn say so by these.
        finally:
            self._outbox.shut()

    async def _send_text(self, frame: bytes) -> None:
        try:
            await self._socket.send({"type": "websocket.send", "text": frame.decode()})
        except (RuntimeError, OSError):  # Gone: Starlette and uvicorn say so by these. The reader tells.
            self._outbox.shut()


# --- The model leg: a websockets client ---------------------------------------------------------------


class ModelLeg:
    """The voice model's socket."""

    def __init__(self, connection: ClientConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._outbox = Outbox(self._send_text, patience)
        self.send = self._outbox.put

    async def read(self, said: Read) -> LegGone | BadMessage:
        """See `SocketLeg`."""
        try:
            while True:
                message = await self._connection.recv()
                if isinstance(message, bytes):
                    return BadMessage(Leg.MODEL, "a binary frame", is_fatal=True)
                said(message)
        except ConnectionClosed as error:
            self._outbox.shut()
            closed = error.rcvd or error.sent
            code = closed.code if closed else 1006
            return LegGone(Leg.MODEL, code, closed.reason if closed else "no close frame")

    async def write(self) -> str:
        """See `SocketLeg`."""
        return await self._outbox.write_forever()

    async def close(self, code: int, reason: str) -> None:
        """See `SocketLeg`. What is queued is of no use to a model whose call is over."""
        self._outbox.shut()
        try:
            async with asyncio.timeout(self._patience.close_timeout_s):
                await self._connection.close(code, reason)
        except TimeoutError:
            # The library waits without bound for a peer that does not even read the close.
            self._connection.transport.abort()
            await self._connection.wait_closed()

    async def _send_text(self, frame: bytes) -> None:
        try:
            await self._connection.send(frame, text=True)
        except ConnectionClosed:
            self._outbox.shut()


class DialError(Exception):
    """The model leg could not be opened. `event` is what the machine is told."""

    def __init__(self, event: ModelDialFailed) -> None:
        super().__init__(event.why)
        self.event = event


@dataclass(frozen=True, slots=True)
class ModelDialer:
    """How to reach the model. One per process: it carries the one TLS context of all calls."""

    url: str
    """Whole address, model included."""
    key: str
    tls: ssl.SSLContext | None = None
    """Needed for `wss`. A context of its own for every connection costs 17 ms of blocked loop each."""
    open_timeout_s: float = 5.0
    patience: Patience = field(default_factory=Patience)

    def __repr__(self) -> str:
        return f"<ModelDialer {self.url}>"

    async def dial(self) -> ModelLeg:
        """Opens a socket to the model.

        Raises:
            DialError: refused, unreachable or too slow.
        """
        try:
            connection = await connect(
                self.url,
                additional_headers={"Authorization": f"Bearer {self.key}"},
                ssl=self.tls,
                open_timeout=self.open_timeout_s,
                close_timeout=self.patience.close_timeout_s,
                max_size=MODEL_MESSAGE_BYTES_MAX,
                compression=None,  # base64 of µ-law hardly shrinks, and the buffers cost 50 KiB a call.
                proxy=None,
            )
        except InvalidStatus as error:
            raise DialError(_refusal(error.response.status_code, error.response.body)) from error
        except TimeoutError as error:
            raise DialError(ModelDialFailed(f"no answer in {self.open_timeout_s:g} s")) from error
        except (OSError, InvalidHandshake, InvalidURI, ValueError) as error:
            # ValueError: a host name or port that no address can have, or TLS missing for `wss`.
            raise DialError(ModelDialFailed(f"{type(error).__name__}: {error}")) from error
        return ModelLeg(connection, self.patience)


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def _refusal(status: int, body: bytes | bytearray) -> ModelDialFailed:
    """What an HTTP answer instead of a socket means. The vendor's errors are JSON, a proxy's anything."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except UNREADABLE:
        error = _Error()
    why = f"the model refused the connection with HTTP {status}: {error.message or error.code or 'no reason'}"
    return ModelDialFailed(why, status, error.code)
