"""The slow lane: the phone leg as any ASGI server gives it, with a queue for what the peer does not take yet.

The service takes it when its ASGI server offers nothing better; see `server/process/listening/fast_lane.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from callbridge.bridge.legs.leg import Patience
from callbridge.call.events import BadMessage, Leg, LegGone, LegStalled

if TYPE_CHECKING:
    from callbridge.bridge.legs.leg import LegEnd, Read


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
                    self.shut()  # The rest would be audio after a gap.
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


AsgiMessage: TypeAlias = MutableMapping[str, Any]


class AsgiSocket(Protocol):
    """What an ASGI server gives us, as Starlette wraps it."""

    async def receive(self) -> AsgiMessage:
        """The next message of the peer."""

    async def send(self, message: AsgiMessage) -> None:
        """Sends to the peer; waits while its buffer is full."""


class AsgiLeg:
    """Twilio's socket."""

    def __init__(self, socket: AsgiSocket, patience: Patience | None = None) -> None:
        self._socket = socket
        self._patience = patience or Patience()
        self._outbox = Outbox(self._send_text, self._patience)
        self.send = self._outbox.put
        self._is_ignored = False
        self._cut: asyncio.Future[LegGone] = asyncio.get_running_loop().create_future()

    async def read(self, said: Read) -> LegEnd:
        """See `SocketLeg`. What was sent is written by a task of its own, for as long as this reads."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(said), name="phone queue reader")
                writing = tasks.create_task(self._write(), name="phone queue writer")
                await asyncio.wait((reading, writing, self._cut), return_when=asyncio.FIRST_COMPLETED)
                reading.cancel()
                writing.cancel()
        except ExceptionGroup as broken:  # What `said` raised, and nothing else.
            raise broken.exceptions[0] from None
        if not reading.cancelled():
            return reading.result()
        return self._cut.result() if writing.cancelled() else writing.result()

    async def _read(self, said: Read) -> LegGone | BadMessage:
        while not self._is_ignored:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._outbox.shut()
                return LegGone(Leg.PHONE, message.get("code") or 1005, message.get("reason") or "")
            text = message.get("text")
            if text is None:
                return BadMessage(Leg.PHONE, "a binary frame", is_fatal=True)
            if not self._is_ignored:
                said(text)
        # What waits in the server's queue stays there: taking it would keep the loop while there is some.
        await asyncio.get_running_loop().create_future()
        raise AssertionError("whoever ignores the peer ends its reading")

    async def _write(self) -> LegStalled:
        return LegStalled(Leg.PHONE, await self._outbox.write_forever())

    def ignore(self) -> None:
        """See `SocketLeg`."""
        self._is_ignored = True

    def cut(self, code: int, reason: str = "") -> None:
        """See `SocketLeg`. The close goes with that of the call, which has nothing more to wait for."""
        if not self._cut.done():
            self._cut.set_result(LegGone(Leg.PHONE, code, reason))

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
