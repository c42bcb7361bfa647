"""Requests over real sockets, from peers that know no bounds. What uvicorn does of it is tested here, too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from callbridge.server.process.listening import http_bounds, http_protocol
from callbridge.server.process.listening.fast_lane import FastLaneProtocol
from callbridge.server.process.listening.http_bounds import Phase
from callbridge.server.process.listening.http_protocol import BoundedHttpProtocol, Crowd, bounded_http
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.server.process.listening.serving import GuestServer, serving
from leftovers import leaves_nothing, until
from raw_peer import KEY, RawPeer, text

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["asyncio", "uvloop"])

CONNECTIONS_MAX = 40
BOUND_S = 20.0
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n" % KEY.encode()
)
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class House:
    """A server whose application answers when it may, with what it was sent."""

    port: int = 0
    server: GuestServer | None = None
    asked: list[str] = field(default_factory=list)
    """The paths, in order."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    broken: list[str] = field(default_factory=list)
    """The paths of requests of which the rest never came."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await echo(receive, send)
            return
        self.asked.append(scope["path"])
        if scope["path"] == "/0":
            scope["state"]["is_genuine"] = True
        if scope["path"] == "/early":
            await answer(send, b"")
            return
        if scope["path"] == "/long":
            await send({"type": "http.response.start", "status": 200})
            await self.may_answer.wait()
            while self.connections:
                await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            return
        await self.may_answer.wait()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.broken.append(scope["path"])
                return
            body, more = body + message["body"], message["more_body"]
        await answer(send, body)

    @property
    def connections(self) -> list[BoundedHttpProtocol]:
        assert self.server is not None
        return [one for one in self.server.server_state.connections if isinstance(one, BoundedHttpProtocol)]

    @contextlib.asynccontextmanager
    async def visitor(self, receive_buffer_bytes: int | None = None) -> AsyncIterator[RawPeer]:
        """A connection on which nothing was said yet."""
        async with asyncio.timeout(BOUND_S):
            peer = await RawPeer.call(self.port, receive_buffer_bytes)
            try:
                yield peer
            finally:
                peer.close()

    async def is_well(self) -> bool:
        """Whether somebody who comes now is answered."""
        self.may_answer.set()
        async with self.visitor() as peer:
            await peer.send(GET % 999)
            return (await peer.read_head()).startswith(b"HTTP/1.1 200 ")


async def answer(send: Any, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(receive: Any, send: Any) -> None:
    """Says whatever it hears."""
    await receive()
    await send({"type": "websocket.accept"})
    while (heard := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": heard["text"]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybodys_house() -> AsyncIterator[House]:
    house = House()
    config = uvicorn.Config(
        house,
        http=bounded_http(Crowd(CONNECTIONS_MAX)),  # type: ignore[arg-type]
        ws=FastLaneProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    with contextlib.closing(tcp_listener()) as listener:
        house.port = listener.getsockname()[1]
        async with serving(config, listener) as house.server:
            yield house


@pytest_asyncio.fixture(loop_scope="module")
async def house(everybodys_house: House) -> AsyncIterator[House]:
    """The house, in which nothing is left when the test is over."""
    async with leaves_nothing():
        everybodys_house.asked, everybodys_house.broken = [], []
        everybodys_house.may_answer.clear()
        yield everybodys_house
        everybodys_house.may_answer.set()


def send_without_end(peer: RawPeer, data: bytes) -> asyncio.Task[None]:
    """Sends `data` over and over, as fast as it is taken, until nobody takes it any more."""

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await peer.send(data)

    return asyncio.get_running_loop().create_task(send())


@pytest.mark.parametrize(
    ("begin", "endless", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 100, b"431"),
        (b"GET / HTTP/1.1\r\nX: ", b"x" * 4000, b"431"),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 100, b"431"),
        (CHUNKED, b"1\r\nx\r\n" * 1000, b"413"),
    ],
)
async def test_what_has_no_end_is_refused(house: House, begin: bytes, endless: bytes, status: bytes) -> None:
    async with house.visitor() as peer:
        await peer.send(begin)
        sending = send_without_end(peer, endless)
        # The answer may be lost where more is on its way: the connection ends all the same.
        answer = await peer.read_rest()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 " + status)
        await sending
    assert await until(lambda: not house.connections)
    assert await house.is_well()


async def test_a_refusal_says_why(house: House) -> None:
    async with house.visitor() as peer:
        await peer.send(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n")
        answer = await peer.read_rest()
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert answer.endswith(b"A head may have 32768 bytes and 100 fields.")
    assert house.asked == []


async def test_nothing_is_read_while_an_answer_is_out(house: House) -> None:
    """Requests in a row are answered one after the other, and wait in the kernel's buffers meanwhile."""
    async with house.visitor() as peer:
        sending = send_without_end(peer, b"".join(GET % number for number in range(1000)))
        assert await until(lambda: house.asked == ["/0"])
        (connection,) = house.connections
        held = len(connection.conn.trailing_data[0])
        _done, pending = await asyncio.wait([sending], timeout=0.2)
        assert pending, "the kernel takes it all"
        assert len(connection.conn.trailing_data[0]) == held <= 256 * 1024
        assert house.asked == ["/0"]
        house.may_answer.set()
        assert await until(lambda: house.asked[:3] == ["/0", "/1", "/2"])
        sending.cancel()
        await asyncio.wait([sending])


@pytest.mark.parametrize(
    ("phase", "said", "answer"),
    [(Phase.HEAD, b"GET / HT", b"HTTP/1.1 408 "), (Phase.BODY, POST % 9 + b"half", b"")],
)
async def test_who_is_slow_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch, phase: Phase, said: bytes, answer: bytes
) -> None:
    """Every byte of a head, and of a body, has to come within its time, whatever else comes meanwhile."""
    monkeypatch.setitem(http_bounds.WITHIN_S, phase, 0.1)
    house.may_answer.set()
    async with house.visitor() as peer:
        await peer.send(said)
        assert (await peer.read_rest()).startswith(answer)
    assert await until(lambda: house.broken == (["/"] if phase is Phase.BODY else []))


async def test_bytes_that_come_meanwhile_win_no_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http_bounds.WITHIN_S, Phase.HEAD, 0.2)
    async with house.visitor() as peer:
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /" + b"a" * 500:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0.01)
            pytest.fail("five seconds for a head")


@pytest.mark.parametrize("has_asked", [True, False])
async def test_who_is_idle_for_too_long_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch, has_asked: bool
) -> None:
    """Also who never said a word; uvicorn keeps those for ever."""
    assert house.server is not None
    monkeypatch.setattr(house.server.config, "timeout_keep_alive", 0.1)
    house.may_answer.set()
    async with house.visitor() as peer:
        if has_asked:
            await peer.send(GET % 0)
            assert (await peer.read_head()).startswith(b"HTTP/1.1 200 ")
        assert await peer.read_rest() == b""


async def test_who_takes_no_answer_is_dropped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http_bounds.WITHIN_S, Phase.ANSWER, 0.3)
    house.may_answer.set()
    async with house.visitor(receive_buffer_bytes=2048) as peer:
        body = b"x" * 60_000
        sending = send_without_end(peer, POST % len(body) + body)
        assert await until(lambda: not house.connections)
        await sending


async def test_a_long_answer_has_its_time_while_it_is_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads none of it is dropped."""
    monkeypatch.setitem(http_bounds.WITHIN_S, Phase.ANSWER, 0.1)
    monkeypatch.setattr(http_protocol, "READ_WITHIN_S", 0.1)
    async with house.visitor(receive_buffer_bytes=2048) as peer:
        await peer.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await peer.read_head()
        await asyncio.sleep(0.15)
        assert len(house.connections) == 1
        house.may_answer.set()
        assert await until(lambda: not house.connections)


@pytest.mark.parametrize("asks", [False, True])
async def test_strangers_go_first_and_who_is_answered_stays(house: House, *, asks: bool) -> None:
    """Also those who ask for something that anybody gets, as a health check."""
    async with contextlib.AsyncExitStack() as visitors:
        known = await visitors.enter_async_context(house.visitor())
        house.may_answer.set()
        await known.send(GET % 0)
        await known.read_head()
        house.may_answer.clear()
        asking = await visitors.enter_async_context(house.visitor())
        await asking.send(GET % 1)
        assert await until(lambda: house.asked == ["/0", "/1"])
        for _ in range(3 * CONNECTIONS_MAX):
            stranger = await visitors.enter_async_context(house.visitor())
            if asks:
                await stranger.send(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
                await stranger.read_head()
        assert await until(lambda: len(house.connections) <= CONNECTIONS_MAX)
        assert [path for path in house.asked if path != "/early"] == ["/0", "/1"]
        assert await house.is_well()
        assert (await asking.read_head()).startswith(b"HTTP/1.1 200 ")
        await known.send(GET % 2)
        assert (await known.read_head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("upgrade", [b"h2c", b"TLS/1.0", b"nonsense"])
async def test_an_upgrade_that_we_do_not_know_is_a_plain_request(
    house: House, upgrade: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The form of a request that asks for HTTP/2 is read; no stranger fills the log with it."""
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMA\r\n\r\n"
    house.may_answer.set()
    async with house.visitor() as peer:
        for _ in range(2):
            await peer.send((POST % 3).removesuffix(b"\r\n") + asked % upgrade + b"abc")
            assert (await peer.read_head()).startswith(b"HTTP/1.1 200 ")
            assert await peer.read_exactly(3) == b"abc"
    assert caplog.records == []


async def test_an_upgrade_whose_head_cannot_be_read_is_refused(house: House) -> None:
    """The parser of media sockets takes lines of 8 KiB, ours longer ones."""
    async with house.visitor() as peer:
        await peer.send(UPGRADE + b"X: %b\r\n\r\n" % (b"x" * 9000))
        assert (await peer.read_rest()).startswith(b"HTTP/1.1 431 ")
    assert house.asked == []


async def test_a_media_socket_is_bound_by_none_of_it_and_loses_no_word(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what comes in one packet with its upgrade is heard. Others are let go while it stays."""
    for phase in (Phase.HEAD, Phase.BODY, Phase.ANSWER):
        monkeypatch.setitem(http_bounds.WITHIN_S, phase, 0.1)
    async with house.visitor() as phone, house.visitor() as slow:
        await phone.send(UPGRADE + b"\r\n", text("one"))
        assert (await phone.read_head()).startswith(b"HTTP/1.1 101 ")
        heard = await phone.read_frame()
        await slow.send(POST % 9 + b"half")
        house.may_answer.set()
        await slow.read_rest()
        await phone.send(text("two"))
        assert [heard, await phone.read_frame()] == [text("one"), text("two")]


async def test_a_request_is_answered_once(house: House) -> None:
    """Whatever is wrong behind the answer: another one would be taken for that to the next request."""
    async with house.visitor() as peer:
        await peer.send(CHUNKED.replace(b"/", b"/early", 1))
        assert (await peer.read_head()).startswith(b"HTTP/1.1 200 ")
        await peer.send(b"nothing\r\n")
        assert await peer.read_rest() == b""


async def test_a_burst_costs_no_more_than_are_too_many(house: House) -> None:
    """All are accepted in one turn of the loop, before the first that is dropped is known to be gone."""
    with contextlib.ExitStack() as opened:
        address = ("127.0.0.1", house.port)
        peers = [opened.enter_context(socket.create_connection(address)) for _ in range(2 * CONNECTIONS_MAX)]
        assert await until(lambda: sum(map(is_closed, peers)) >= CONNECTIONS_MAX)
        assert len(house.connections) == CONNECTIONS_MAX


def is_closed(peer: socket.socket) -> bool:
    """Whether the other end has closed it, of whom nothing else was heard."""
    peer.setblocking(False)
    try:
        return peer.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
