"""The three ways in which a leg stands on a socket, each with a peer of bytes at its far end.

`fast` and `slow` are a phone's: a route of a real uvicorn hands its socket to the leg. `model` is dialled.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import uvicorn

from bell import Bell
from callbridge.bridge.legs.asgi_leg import AsgiLeg, AsgiMessage
from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.dialer import ModelDialer
from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX, Patience, SocketLeg
from callbridge.call.events import Leg
from callbridge.server.process.listening.fast_lane import DroppingProtocol, FastLaneProtocol, take_over
from callbridge.server.process.listening.http_protocol import Crowd, bounded_http
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.server.process.listening.serving import serving
from raw_peer import RawPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

    from callbridge.bridge.legs.leg import LegEnd

PhoneLane: TypeAlias = Literal["fast", "slow"]
Lane: TypeAlias = Literal["fast", "slow", "model"]

PROTOCOLS = {"fast": FastLaneProtocol, "slow": DroppingProtocol}
"""What uvicorn is told to speak with a media socket."""

MODEL = "gpt-realtime-2.1"
"""What is dialled."""

BOUND_S = 60.0
"""Nothing on a loopback takes so long unless it hangs, however busy the machine is."""


@dataclass
class Line:
    """A leg and its peer."""

    leg: SocketLeg
    peer: RawPeer
    whose: Leg
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def end(self, code: int, reason: str) -> None:
        """Closes the leg as a bridge does, whose return ends the route of the socket."""
        await self.leg.close(code, reason)
        self.is_over.set()


class Ear:
    """Notes what a leg hands over: text in one lane, its UTF-8 in the others."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._bell = Bell()

    def __call__(self, message: str | bytes) -> None:
        """One message."""
        self.heard.append(message if isinstance(message, str) else message.decode())
        self._bell.ring()

    async def hears(self, count: int = 1) -> None:
        """So many messages have been handed over."""
        await self._bell.until(lambda: len(self.heard) >= count)


async def begun(reading: Coroutine[Any, Any, LegEnd]) -> asyncio.Task[LegEnd]:
    """Its task, which listens by now: what a leg hears before somebody listens may be for nobody."""
    has_begun = asyncio.Event()

    async def begin() -> LegEnd:
        has_begun.set()
        return await reading

    task = asyncio.create_task(begin())
    await has_begun.wait()
    return task


@dataclass
class _Visit:
    """A socket that is expected at a path of the exchange."""

    patience: Patience
    leg: asyncio.Future[SocketLeg]
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class _AsgiEnds:
    """What an application is given, as an `AsgiSocket`."""

    receive_one: Callable[[], Awaitable[AsgiMessage]]
    send_one: Callable[[AsgiMessage], Awaitable[None]]

    async def receive(self) -> AsgiMessage:
        return await self.receive_one()

    async def send(self, message: AsgiMessage) -> None:
        await self.send_one(message)


class Exchange:
    """An ASGI application that makes a leg of every socket that is expected."""

    def __init__(self, lane: PhoneLane) -> None:
        self._lane = lane
        self._numbers = itertools.count()
        self._visits: dict[str, _Visit] = {}

    async def __call__(
        self,
        scope: AsgiMessage,
        receive: Callable[[], Awaitable[AsgiMessage]],
        send: Callable[[AsgiMessage], Awaitable[None]],
    ) -> None:
        """One socket. It lasts until the test has done with it, whatever becomes of the leg."""
        visit = self._visits.pop(scope["path"])
        visit.leg.set_result(await self._make_leg(scope, _AsgiEnds(receive, send), visit.patience))
        await visit.is_over.wait()

    async def _make_leg(self, scope: AsgiMessage, ends: _AsgiEnds, patience: Patience) -> SocketLeg:
        if self._lane == "fast":
            leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, patience)
            assert take_over(scope, leg)
            return leg
        assert (await ends.receive())["type"] == "websocket.connect"
        await ends.send({"type": "websocket.accept"})
        return AsgiLeg(ends, patience)

    @contextlib.asynccontextmanager
    async def line(
        self, port: int, patience: Patience, receive_buffer_bytes: int | None
    ) -> AsyncIterator[Line]:
        """A phone's leg with its peer, for as long as the context."""
        line = await self._connect(port, patience, receive_buffer_bytes)
        try:
            yield line
        finally:
            line.peer.close()
            await line.end(1000, "")

    async def _connect(self, port: int, patience: Patience, receive_buffer_bytes: int | None) -> Line:
        path = f"/{next(self._numbers)}"
        visit = self._visits[path] = _Visit(patience, asyncio.get_running_loop().create_future())
        peer = await RawPeer.connect(port, path, receive_buffer_bytes=receive_buffer_bytes)
        return Line(await visit.leg, peer, Leg.PHONE, visit.is_over)


Connect: TypeAlias = "Callable[..., contextlib.AbstractAsyncContextManager[Line]]"
"""`connect(patience=…, receive_buffer_bytes=…)`: a leg with its peer, for as long as the context."""


@contextlib.asynccontextmanager
async def opened(lane: Lane) -> AsyncIterator[Connect]:
    """Everything that legs of one lane need; answers how to get one."""
    if lane == "model":
        yield _dialled
        return
    exchange = Exchange(lane)
    config = uvicorn.Config(
        exchange,
        http=bounded_http(Crowd(100)),  # type: ignore[arg-type]
        ws=PROTOCOLS[lane],
        ws_max_size=PHONE_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,  # A test that fails must not wait for its own route.
    )

    @contextlib.asynccontextmanager
    async def connect(
        patience: Patience | None = None, receive_buffer_bytes: int | None = None
    ) -> AsyncIterator[Line]:
        async with (
            asyncio.timeout(BOUND_S),
            exchange.line(port, patience or Patience(), receive_buffer_bytes) as line,
        ):
            yield line

    with contextlib.closing(tcp_listener()) as listener:
        port = listener.getsockname()[1]
        async with serving(config, listener):
            yield connect


@contextlib.asynccontextmanager
async def _dialled(
    patience: Patience | None = None, receive_buffer_bytes: int | None = None
) -> AsyncIterator[Line]:
    async with asyncio.timeout(BOUND_S):
        with model_listener(receive_buffer_bytes) as (listener, url):
            async with asyncio.TaskGroup() as tasks:
                answering = tasks.create_task(RawPeer.accept(listener))
                dialer = ModelDialer(url, "sk-test", patience=patience or Patience())
                line = Line(await dialer.dial(MODEL), await answering, Leg.MODEL)
            try:
                yield line
            finally:
                line.peer.close()
                await line.end(1000, "")


@contextlib.contextmanager
def model_listener(receive_buffer_bytes: int | None = None) -> Iterator[tuple[socket.socket, str]]:
    """A port where a model could be, and its address for a dialer. Who connects waits to be accepted."""
    with socket.socket() as listener:
        if receive_buffer_bytes is not None:  # Its connections have it from the first packet on.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener, f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/realtime"
