"""Where a media socket leaves uvicorn: before, during and after the taking over of its connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected

from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX, Patience
from callbridge.call.events import Leg, LegGone, LegStalled
from callbridge.server.process.listening import fast_lane
from callbridge.server.process.listening.fast_lane import FAST_LANE, FastLaneProtocol, take_over
from callbridge.server.process.listening.http_protocol import Crowd, bounded_http
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.server.process.listening.serving import GuestServer, serving
from lanes import BOUND_S, Ear
from leftovers import leaves_nothing, until
from raw_peer import KEY, Frame, Opcode, RawPeer, closing, text

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["asyncio", "uvloop"])


@dataclass
class Route:
    """An application that takes its socket over, when it may."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_take: asyncio.Event = field(default_factory=asyncio.Event)
    may_return: asyncio.Event = field(default_factory=asyncio.Event)
    leg: asyncio.Future[CallbackLeg] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def __call__(self, scope: Message, _receive: Receive, _send: Send) -> None:
        """One socket."""
        self.is_asked.set()
        await self.may_take.wait()
        leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, Patience())
        try:
            assert take_over(scope, leg)
        except Exception as error:
            self.leg.set_exception(error)
            raise
        self.leg.set_result(leg)
        await self.may_return.wait()


@dataclass
class House:
    """A running uvicorn, whose one address leads to the application of the test."""

    app: App | None = None
    port: int = 0
    server: GuestServer | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Whatever connects."""
        assert self.app is not None
        await self.app(scope, receive, send)

    @property
    def connections(self) -> set[Any]:
        """Those that uvicorn knows of."""
        assert self.server is not None
        return self.server.server_state.connections

    @property
    def routes(self) -> set[asyncio.Task[None]]:
        """The applications that run."""
        assert self.server is not None
        return self.server.server_state.tasks


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """A house of its own, for those who bring it down."""
    house = House()
    quiet: dict[str, Any] = {"lifespan": "off", "log_config": None, "access_log": False}
    speaks: dict[str, Any] = {
        "http": bounded_http(Crowd(100)),
        "ws": FastLaneProtocol,
        "ws_max_size": PHONE_MESSAGE_BYTES_MAX,
    }
    config = uvicorn.Config(house, **quiet, **speaks, timeout_graceful_shutdown=2)
    with contextlib.closing(tcp_listener()) as listener:
        house.port = listener.getsockname()[1]
        async with serving(config, listener) as house.server:
            yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybodys_house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def house(everybodys_house: House) -> AsyncIterator[House]:
    """The house, in which nothing is left when the test is over."""
    async with leaves_nothing():
        yield everybodys_house
        everybodys_house.app = None


@contextlib.asynccontextmanager
async def visitor(house: House, app: App) -> AsyncIterator[RawPeer]:
    """A connection to `app` on which nothing was said yet."""
    house.app = app
    async with asyncio.timeout(BOUND_S):
        peer = await RawPeer.call(house.port)
        try:
            yield peer
        finally:
            peer.close()
            if isinstance(app, Route):
                app.may_take.set()
                app.may_return.set()


@contextlib.asynccontextmanager
async def waiting(house: House, route: Route) -> AsyncIterator[RawPeer]:
    """A connection whose upgrade is being checked."""
    async with visitor(house, route) as peer:
        await peer.send(upgrade())
        await route.is_asked.wait()
        yield peer


@contextlib.asynccontextmanager
async def taken_over(house: House, route: Route) -> AsyncIterator[tuple[RawPeer, CallbackLeg]]:
    """A connection that its route took over at once."""
    route.may_take.set()
    async with visitor(house, route) as peer:
        await peer.send(upgrade())
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        leg = await route.leg
        yield peer, leg
        await leg.close(1000, "")


def upgrade(**changes: str) -> bytes:
    """The request, with other or further fields."""
    fields = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = ["GET /media HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_without_the_offer_nothing_is_taken_over() -> None:
    """Under any other server the scope has no such extension, or no extensions at all."""
    leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, Patience())
    scopes: list[Message] = [{}, {"extensions": {}}, {"extensions": {"websocket.http.response": {}}}]
    for scope in scopes:
        assert not take_over(scope, leg)
    assert not leg.is_connected
    await leg.close(1000, "")


@pytest.mark.parametrize(
    "changes", [{"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Key": ""}, {"Sec_WebSocket_Key": "c2hvcnQ="}]
)
async def test_an_upgrade_that_is_none_never_reaches_the_route(house: House, changes: dict[str, str]) -> None:
    route = Route()
    async with visitor(house, route) as peer:
        await peer.send(upgrade(**changes))
        head = await peer.read_head()
        assert head.split(b" ")[1] in {b"400", b"426"}, head
        assert not route.is_asked.is_set()


@pytest.mark.parametrize(
    "changes",
    [
        {"Connection": "keep-alive, Upgrade"},
        {"Upgrade": "WebSocket"},
        {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},
        {"Sec_WebSocket_Protocol": "chat, superchat"},
        {"User_Agent": "TwilioMediaStreams/1.0", "X_Forwarded_For": "203.0.113.7", "Via": "1.1 fly.io"},
    ],
)
async def test_a_wordier_upgrade_is_as_good(house: House, changes: dict[str, str]) -> None:
    """Proxies and clients add what they like; nothing of it is agreed to."""
    route = Route()
    route.may_take.set()
    async with visitor(house, route) as peer:
        await peer.send(upgrade(**changes))
        head = await peer.read_head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert b"sec-websocket-extensions" not in head.lower()
        assert b"sec-websocket-protocol" not in head.lower()
        leg = await route.leg
        assert len(house.connections) == 1  # By this uvicorn knows, when it stops, for whom to wait.
        leg.send(b"welcome")
        assert await peer.read_frame() == text("welcome")
        await peer.send(closing(1000))
        assert await leg.read(Ear()) == LegGone(Leg.PHONE, 1000, "")
        assert await peer.read_to_end() == [closing(1000)]
        assert await until(lambda: not house.connections)


async def send_before_the_answer(peer: RawPeer, *hasty: Frame) -> None:
    """Sends, and waits until the server has read it."""
    await peer.send(*hasty)
    await peer.was_read()


async def test_what_a_hasty_peer_says_before_it_is_answered_is_heard_in_order(house: House) -> None:
    """RFC 6455 has it wait for the answer; what it says all the same is not lost on the way."""
    route, ear = Route(), Ear()
    async with waiting(house, route) as peer:
        await send_before_the_answer(peer, text("1"), text("2"))
        await send_before_the_answer(peer, text("x" * 20_000))
        route.may_take.set()
        leg = await route.leg
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        await peer.send(text("4"), closing(1000))
        assert await leg.read(ear) == LegGone(Leg.PHONE, 1000, "")
    assert ear.heard == ["1", "2", "x" * 20_000, "4"]


async def test_a_hasty_peer_that_says_too_much_is_dropped(house: House) -> None:
    """Twilio says nothing before it is answered: more than one message is not kept for it."""
    route = Route()
    async with visitor(house, route) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        await peer.send(f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode())
        await route.is_asked.wait()
        with contextlib.suppress(ConnectionError):
            await peer.send(b"x" * 2 * PHONE_MESSAGE_BYTES_MAX)
        assert await peer.read_rest() == b""
    with pytest.raises(ClientDisconnected):
        await route.leg


@pytest.mark.parametrize(
    ("hasty", "told"),
    [
        (Frame(Opcode.PING, b"?"), Frame(Opcode.PONG, b"?")),
        (closing(1000, "bye"), closing(1000, "bye")),
        (text(b"\xff"), closing(1007, "text that is not UTF-8")),
        (Frame(3), closing(1002, "Received frame with invalid opcode=0x3")),
    ],
    ids=["ping", "close", "broken text", "broken frame"],
)
async def test_a_hasty_peer_is_answered_after_its_upgrade(house: House, hasty: Frame, told: Frame) -> None:
    route = Route()
    async with waiting(house, route) as peer:
        await send_before_the_answer(peer, hasty)
        route.may_take.set()
        leg = await route.leg
        head = await peer.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert await peer.read_frame() == told
        await peer.send(closing(1000))
        await leg.close(1000, "")


@pytest.mark.parametrize("how", ["half_close", "reset"])
async def test_a_peer_that_goes_while_it_is_checked_is_no_fault_of_ours(
    house: House, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The route learns it as from uvicorn itself, and the log has no riddle."""
    route = Route()
    async with waiting(house, route) as peer:
        getattr(peer, how)()
        assert await until(lambda: not house.connections)
        route.may_take.set()
        assert await until(lambda: not house.routes)
    assert isinstance(route.leg.exception(), ClientDisconnected)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


@pytest.mark.parametrize("is_hasty", [True, False])
async def test_another_route_may_still_speak_by_its_server(house: House, is_hasty: bool) -> None:
    """The offer is not taken: everything goes through uvicorn."""
    is_asked, may_accept = asyncio.Event(), asyncio.Event()

    async def echo(scope: Message, receive: Receive, send: Send) -> None:
        assert FAST_LANE in scope["extensions"]
        await receive()
        is_asked.set()
        await may_accept.wait()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    async with visitor(house, echo) as peer:
        await peer.send(upgrade())
        await is_asked.wait()
        if is_hasty:
            await send_before_the_answer(peer, Frame(Opcode.PING, b"?"), text("hasty"))
        may_accept.set()
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        if is_hasty:
            assert await peer.read_frame() == Frame(Opcode.PONG, b"?")
            assert await peer.read_frame() == text("hasty")
        for number in range(3):
            await peer.send(text(str(number) * 30_000))
            assert await peer.read_frame() == text(str(number) * 30_000)
        await peer.send(closing(1000))
        assert await peer.read_to_end() == [closing(1000)]


async def test_a_refused_upgrade_is_no_fault_of_ours(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async with visitor(house, refuse) as peer:
        await peer.send(upgrade())
        assert (await peer.read_head()).startswith(b"HTTP/1.1 503 ")
        assert await until(lambda: not house.connections)
        assert await until(lambda: not house.routes)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_a_peer_that_takes_nothing_is_dropped_after_its_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The route has returned: nobody else would ever let go of the socket."""
    monkeypatch.setattr(fast_lane, "LINGER_S", 0.05)
    route = Route()
    async with taken_over(house, route) as (_peer, leg):
        for _ in range(16):
            leg.send(b"x" * 2**20)
        route.may_return.set()
        assert await until(lambda: not house.connections)
        assert isinstance(await leg.read(Ear()), LegStalled)  # The earlier of the two is told.


@pytest.mark.parametrize("answers", [True, False])
async def test_a_server_that_stops_tells_leg_and_peer(answers: bool) -> None:
    """1012, whether the peer answers it or not; and the server does stop."""
    route = Route()
    async with leaves_nothing(), opened() as house, taken_over(house, route) as (peer, leg):
        reading = asyncio.create_task(leg.read(Ear()))
        assert house.server is not None
        house.server.should_exit = True
        assert await reading == LegGone(Leg.PHONE, 1012, "")
        assert await peer.read_frame() == closing(1012)
        if answers:
            with contextlib.suppress(ConnectionError):  # The server need not wait for it.
                await peer.send(closing(1012))
        assert await peer.read_to_end() == []
        await leg.close(1001, "service_stopped")


async def test_a_host_program_that_fails_ends_its_calls_in_words() -> None:
    """The server stops as ever before the failure goes on its way."""
    told: list[object] = []

    async def call(scope: Message, _receive: Receive, _send: Send) -> None:
        leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, Patience())
        take_over(scope, leg)
        told.append(await leg.read(Ear()))

    async def host(stays: contextlib.AsyncExitStack) -> None:
        async with opened() as house:
            peer = await stays.enter_async_context(visitor(house, call))
            await peer.send(upgrade())
            assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
            raise LookupError("of the host")

    async with leaves_nothing(), contextlib.AsyncExitStack() as stays:
        with pytest.raises(ExceptionGroup) as failed:
            await host(stays)
    assert [str(error) for error in failed.value.exceptions] == ["of the host"]
    assert told == [LegGone(Leg.PHONE, 1012, "")]


async def test_a_server_that_stops_while_an_upgrade_is_checked_refuses_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    route = Route()
    async with leaves_nothing(), opened() as house, waiting(house, route) as peer:
        assert house.server is not None
        house.server.should_exit = True
        assert (await peer.read_head()).startswith(b"HTTP/1.1 500 ")
        route.may_take.set()
        await asyncio.wait([route.leg])
        assert isinstance(route.leg.exception(), ClientDisconnected)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
