"""The two sockets: real ones on the loopback for the model, an ASGI server's end for the phone."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State

from callbridge.bridge.legs import (
    MODEL_MESSAGE_BYTES_MAX,
    AsgiMessage,
    DialError,
    ModelDialer,
    ModelLeg,
    Outbox,
    Patience,
    PhoneLeg,
)
from callbridge.call.actions import BadMessage, Leg, LegGone, ModelDialFailed

BOUND_S = 5.0
"""Nothing here takes so long unless it hangs."""


@pytest.fixture(autouse=True)
async def _bound() -> AsyncIterator[None]:
    """Every test leaves no task of its own behind."""
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(BOUND_S):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)


async def turns(count: int = 5) -> None:
    """Lets everything that is ready run, as often as the longest chain of wake-ups here needs."""
    for _ in range(count):
        await asyncio.sleep(0)


# --- The outbox -------------------------------------------------------------------------------------


class SlowWriter:
    """A transport that takes one frame for every `take`."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self._permits = asyncio.Semaphore(0)

    def take(self, count: int = 1) -> None:
        for _ in range(count):
            self._permits.release()

    async def write(self, frame: bytes) -> None:
        await self._permits.acquire()
        self.taken.append(frame)


class TestOutbox:
    async def test_frames_are_written_in_order(self) -> None:
        """Those put before the writer runs and those put while it does."""
        writer = SlowWriter()
        writer.take(4)
        outbox = Outbox(writer.write, Patience())
        outbox.put(b"1")
        outbox.put(b"2")
        await outbox.flush()
        outbox.put(b"3")
        outbox.put(b"4")
        await outbox.flush()
        assert writer.taken == [b"1", b"2", b"3", b"4"]

    async def test_putting_never_waits(self) -> None:
        """However slow the peer is, the other leg is not held up."""
        outbox = Outbox(SlowWriter().write, Patience())
        for _ in range(1000):
            outbox.put(b"x" * 1000)

    async def test_a_peer_that_takes_nothing_stalls_by_time(self) -> None:
        outbox = Outbox(SlowWriter().write, Patience(send_timeout_s=0.01))
        outbox.put(b"x")
        async with asyncio.timeout(BOUND_S):
            assert await outbox.write_forever() == "a message was not taken for 0.01 s"

    async def test_a_peer_for_which_too_much_waits_stalls_by_bytes(self) -> None:
        outbox = Outbox(SlowWriter().write, Patience(outbox_bytes_max=10))
        outbox.put(b"x" * 6)
        outbox.put(b"x" * 5)
        async with asyncio.timeout(BOUND_S):
            assert await outbox.write_forever() == "more than 10 bytes wait for it"

    async def test_the_bound_itself_may_wait(self) -> None:
        writer = SlowWriter()
        writer.take(2)
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        outbox.put(b"x" * 5)
        outbox.put(b"y" * 5)
        await outbox.flush()
        assert writer.taken == [b"x" * 5, b"y" * 5]

    async def test_a_peer_that_only_trickles_stalls_too(self) -> None:
        """It takes every message in time, and falls behind all the same."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        writing = asyncio.ensure_future(outbox.write_forever())
        async with asyncio.timeout(BOUND_S):
            while not writing.done():
                outbox.put(b"xxxx")
                outbox.put(b"xxxx")
                writer.take()
                await asyncio.sleep(0)
        assert writing.result() == "more than 10 bytes wait for it"

    async def test_what_waits_for_a_stalled_peer_is_bounded(self) -> None:
        """Beyond the bound nothing is kept, even before the writer has noticed."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        for _ in range(1000):
            outbox.put(b"xxxx")
        writer.take(1000)
        await outbox.flush()
        assert len(writer.taken) == 2

    async def test_a_gap_is_never_written(self) -> None:
        """After a frame was thrown away no later one follows, not even one that would fit."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=9))
        for frame in (b"1111", b"2222", b"3333", b"4"):
            outbox.put(frame)
        writer.take(4)
        await outbox.flush()
        assert writer.taken == [b"1111", b"2222"]

    async def test_a_shut_outbox_forgets_and_takes_nothing(self) -> None:
        writer = SlowWriter()
        writer.take(9)
        outbox = Outbox(writer.write, Patience())
        outbox.put(b"1")
        outbox.shut()
        outbox.put(b"2")
        await outbox.flush()
        assert writer.taken == []
        assert not outbox.is_open

    async def test_a_peer_that_is_gone_is_not_called_stalled(self) -> None:
        """What waited for it is forgotten: its end is the reader's to tell."""
        writes, breaks = asyncio.Event(), asyncio.Event()

        async def gone(_frame: bytes) -> None:
            writes.set()
            await breaks.wait()
            outbox.shut()

        outbox = Outbox(gone, Patience(outbox_bytes_max=10))
        writing = asyncio.ensure_future(outbox.write_forever())
        outbox.put(b"x" * 6)
        await writes.wait()
        outbox.put(b"x" * 6)
        outbox.put(b"x" * 6)
        breaks.set()
        await turns()
        assert not writing.done()
        writing.cancel()
        await asyncio.wait([writing])


# --- The phone leg ----------------------------------------------------------------------------------


class AsgiEnd:
    """An ASGI server's end of a WebSocket."""

    def __init__(self, *incoming: AsgiMessage) -> None:
        self._incoming = asyncio.Queue[AsgiMessage]()
        for message in incoming:
            self._incoming.put_nowait(message)
        self.sent: list[AsgiMessage] = []
        self.sent_something = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.broken: Exception | None = None

    async def receive(self) -> AsgiMessage:
        return await self._incoming.get()

    async def send(self, message: AsgiMessage) -> None:
        await self.takes.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)
        self.sent_something.set()


def text(message: str) -> AsgiMessage:
    return {"type": "websocket.receive", "text": message}


GONE = {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}


class TestPhoneLeg:
    async def test_every_message_is_handed_over_in_order_until_the_peer_is_gone(self) -> None:
        heard: list[str | bytes] = []
        leg = PhoneLeg(AsgiEnd(text("1"), text("2"), text("3"), GONE))
        assert await leg.read(heard.append) == LegGone(Leg.PHONE, 1000, "bye")
        assert heard == ["1", "2", "3"]

    async def test_no_close_frame_is_1005(self) -> None:
        """RFC 6455, section 7.1.5; uvicorn leaves code and reason out or empty then."""
        for message in ({"type": "websocket.disconnect"}, {**GONE, "code": None, "reason": None}):
            assert await PhoneLeg(AsgiEnd(message)).read(print) == LegGone(Leg.PHONE, 1005, "")

    async def test_a_binary_frame_ends_the_reading(self) -> None:
        """Twilio sends text only; uvicorn hands over `bytes`, with or without an empty `text`."""
        heard: list[str | bytes] = []
        for extra in ({}, {"text": None}):
            leg = PhoneLeg(AsgiEnd({"type": "websocket.receive", "bytes": b"\x00", **extra}, text("no")))
            assert await leg.read(heard.append) == BadMessage(Leg.PHONE, "a binary frame", is_fatal=True)
        assert heard == []

    async def test_frames_go_out_as_text_in_order_and_before_the_close(self) -> None:
        end = AsgiEnd()
        leg = PhoneLeg(end)
        leg.send(b'{"n":1}')
        leg.send('{"n":"ä"}'.encode())
        await leg.close(1011, "model_lost")
        assert end.sent == [
            {"type": "websocket.send", "text": '{"n":1}'},
            {"type": "websocket.send", "text": '{"n":"ä"}'},
            {"type": "websocket.close", "code": 1011, "reason": "model_lost"},
        ]

    async def test_the_writer_writes_as_it_is_told(self) -> None:
        end = AsgiEnd()
        leg = PhoneLeg(end)
        end.takes.clear()
        writing = asyncio.ensure_future(leg.write())
        leg.send(b"1")
        end.takes.set()
        async with asyncio.timeout(BOUND_S):
            await end.sent_something.wait()
        writing.cancel()
        await asyncio.wait([writing])
        assert end.sent == [{"type": "websocket.send", "text": "1"}]

    async def test_a_phone_that_does_not_read_is_stalled_and_its_close_is_bounded(self) -> None:
        end = AsgiEnd()
        end.takes.clear()
        leg = PhoneLeg(end, Patience(send_timeout_s=0.01, close_timeout_s=0.01))
        leg.send(b"1")
        async with asyncio.timeout(BOUND_S):
            assert await leg.write() == "a message was not taken for 0.01 s"
            leg.send(b"2")
            await leg.close(1011, "media_lost")
        assert end.sent == []

    async def test_a_phone_that_falls_behind_is_stalled(self) -> None:
        end = AsgiEnd()
        end.takes.clear()
        leg = PhoneLeg(end, Patience(outbox_bytes_max=100))
        for _ in range(3):
            leg.send(b"x" * 50)
        async with asyncio.timeout(BOUND_S):
            assert await leg.write() == "more than 100 bytes wait for it"

    @pytest.mark.parametrize("broken", [RuntimeError("closed"), ConnectionResetError(), BrokenPipeError()])
    async def test_a_phone_that_goes_while_we_send_is_no_error(self, broken: Exception) -> None:
        """The reader tells; nothing more is sent and the close is not tried."""
        end = AsgiEnd(GONE)
        end.broken = broken
        leg = PhoneLeg(end)
        writing = asyncio.ensure_future(leg.write())
        leg.send(b"1")
        assert await leg.read(print) == LegGone(Leg.PHONE, 1000, "bye")
        leg.send(b"2")
        await leg.close(1000, "")
        writing.cancel()
        await asyncio.wait([writing])
        assert writing.cancelled()
        assert end.sent == []

    @pytest.mark.parametrize("broken", [RuntimeError("closed"), ConnectionResetError()])
    async def test_a_phone_that_goes_while_we_close_is_no_error(self, broken: Exception) -> None:
        end = AsgiEnd()
        end.broken = broken
        await PhoneLeg(end).close(1000, "")
        assert end.sent == []

    async def test_a_leg_is_closed_once(self) -> None:
        end = AsgiEnd()
        leg = PhoneLeg(end)
        await leg.close(1000, "")
        await leg.close(1011, "")
        assert [message.get("code") for message in end.sent] == [1000]

    async def test_a_leg_that_is_gone_is_not_closed(self) -> None:
        """ASGI forbids to send after the disconnect."""
        end = AsgiEnd(GONE)
        leg = PhoneLeg(end)
        await leg.read(print)
        leg.send(b"1")
        await leg.close(1000, "")
        assert end.sent == []


# --- The model leg ----------------------------------------------------------------------------------

Serve = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def model(served: Serve, **options: Any) -> AsyncIterator[str]:
    """A WebSocket server on a free port of the loopback; its address."""
    async with serve(served, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime-2.1"


@asynccontextmanager
async def leg_to(served: Serve, patience: Patience | None = None, **options: Any) -> AsyncIterator[ModelLeg]:
    """A model leg to a server that does `served`."""
    async with asyncio.timeout(BOUND_S), model(served, **options) as url:
        leg = await ModelDialer(url, "sk-test", patience=patience or Patience()).dial()
        try:
            yield leg
        finally:
            await leg.close(1000, "")


class TestModelLeg:
    async def test_every_message_is_handed_over_in_order_until_the_peer_is_gone(self) -> None:
        async def served(connection: ServerConnection) -> None:
            for number in range(5):
                await connection.send(f'{{"n":{number}}}')
            await connection.close(1001, "deploy")

        heard: list[str | bytes] = []
        async with leg_to(served) as leg:
            assert await leg.read(heard.append) == LegGone(Leg.MODEL, 1001, "deploy")
        assert heard == [f'{{"n":{number}}}' for number in range(5)]

    @pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
    async def test_the_peers_close_code_is_told(self, code: int) -> None:
        async def served(connection: ServerConnection) -> None:
            await connection.close(code, "why")

        async with leg_to(served) as leg:
            assert await leg.read(print) == LegGone(Leg.MODEL, code, "why")

    async def test_a_connection_that_breaks_is_1006(self) -> None:
        """RFC 6455, section 7.1.5: no close frame at all."""

        async def served(connection: ServerConnection) -> None:
            connection.transport.abort()

        async with leg_to(served) as leg:
            assert await leg.read(print) == LegGone(Leg.MODEL, 1006, "no close frame")

    async def test_a_message_above_the_bound_ends_the_leg(self) -> None:
        async def served(connection: ServerConnection) -> None:
            await connection.send("x" * (MODEL_MESSAGE_BYTES_MAX + 1))
            await connection.wait_closed()

        heard: list[str | bytes] = []
        async with leg_to(served) as leg:
            gone = await leg.read(heard.append)
        assert isinstance(gone, LegGone)
        assert gone.code == 1009
        assert heard == []

    async def test_a_binary_frame_ends_the_reading(self) -> None:
        """The protocol is text, even where the bytes would parse."""

        async def served(connection: ServerConnection) -> None:
            await connection.send(b'{"type":"error"}')
            await connection.wait_closed()

        heard: list[str | bytes] = []
        async with leg_to(served) as leg:
            assert await leg.read(heard.append) == BadMessage(Leg.MODEL, "a binary frame", is_fatal=True)
        assert heard == []

    async def test_text_that_is_not_utf8_ends_the_leg(self) -> None:
        async def served(connection: ServerConnection) -> None:
            await connection.send(b"\xff\xfe", text=True)
            await connection.wait_closed()

        async with leg_to(served) as leg:
            gone = await leg.read(print)
        assert isinstance(gone, LegGone)
        assert gone.code == 1007

    async def test_frames_go_out_as_text_in_order(self) -> None:
        received: list[str | bytes] = []

        async def served(connection: ServerConnection) -> None:
            received.extend([await connection.recv() for _ in range(3)])
            await connection.close(1000)

        async with leg_to(served) as leg:
            writing = asyncio.ensure_future(leg.write())
            for frame in (b"1", "ä".encode(), b"3"):
                leg.send(frame)
            await leg.read(print)
            writing.cancel()
            await asyncio.wait([writing])
        assert received == ["1", "ä", "3"]

    async def test_our_close_code_reaches_the_peer(self) -> None:
        codes: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

        async def served(connection: ServerConnection) -> None:
            await connection.wait_closed()
            codes.put_nowait((connection.close_code, connection.close_reason))

        async with leg_to(served) as leg:
            await leg.close(1011, "internal_error")
            assert await codes.get() == (1011, "internal_error")

    async def test_closing_twice_or_after_the_end_is_nothing(self) -> None:
        async def served(connection: ServerConnection) -> None:
            await connection.close(1000)

        async with leg_to(served) as leg:
            await leg.read(print)
            leg.send(b"late")
            await leg.close(1000, "")
            await leg.close(1011, "")

    async def test_a_peer_that_is_gone_does_not_break_the_writer(self) -> None:
        async def served(connection: ServerConnection) -> None:
            await connection.close(1000)

        async with leg_to(served) as leg:
            leg.send(b"1")
            await leg.read(print)
            writing = asyncio.ensure_future(leg.write())
            leg.send(b"2")
            await turns()
            assert not writing.done()
            writing.cancel()
            await asyncio.wait([writing])

    async def test_a_peer_that_stops_reading_is_stalled_and_dropped_in_time(self) -> None:
        """It neither takes a message nor the close; nothing of the socket is left."""
        over = asyncio.Event()

        async def served(connection: ServerConnection) -> None:
            connection.transport.pause_reading()
            await over.wait()
            connection.transport.abort()

        patience = Patience(outbox_bytes_max=2**30, send_timeout_s=0.05, close_timeout_s=0.05)
        async with asyncio.timeout(BOUND_S), model(served) as url:
            connection = await connect(url, compression=None, proxy=None)
            leg = ModelLeg(connection, patience)
            try:
                for _ in range(32):  # More than two socket buffers take.
                    leg.send(b"x" * 2**20)
                assert await leg.write() == "a message was not taken for 0.05 s"
                await leg.close(1011, "model_lost")
                assert connection.state is State.CLOSED
            finally:
                over.set()


# --- Dialling ---------------------------------------------------------------------------------------


async def refused_by(answer: Callable[[ServerConnection, Request], Response]) -> ModelDialFailed:
    """What a dial tells whose handshake is answered by `answer`."""

    async def served(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with asyncio.timeout(BOUND_S), model(served, process_request=answer) as url:
        return await failed_dial(url)


async def failed_dial(url: str, open_timeout_s: float = BOUND_S) -> ModelDialFailed:
    with pytest.raises(DialError) as failed:
        await ModelDialer(url, "sk-test", open_timeout_s=open_timeout_s).dial()
    assert str(failed.value) == failed.value.event.why
    assert "sk-test" not in str(failed.value)
    return failed.value.event


class TestDialing:
    async def test_the_handshake_has_the_key_and_nothing_of_the_beta(self) -> None:
        """A Bearer key, the model on the address, no compression, no beta header."""
        requests: list[Request] = []

        async def served(connection: ServerConnection) -> None:
            assert connection.request is not None
            requests.append(connection.request)
            await connection.close()

        async with leg_to(served) as leg:
            await leg.read(print)
        headers = requests[0].headers
        assert headers["Authorization"] == "Bearer sk-test"
        assert "OpenAI-Beta" not in headers
        assert "Sec-WebSocket-Extensions" not in headers
        assert requests[0].path == "/v1/realtime?model=gpt-realtime-2.1"

    @pytest.mark.parametrize(
        ("status", "code", "message"),
        [
            (401, "invalid_api_key", "Incorrect API key provided."),
            (404, "model_not_found", "The model does not exist."),
            (429, "rate_limit_exceeded", "Rate limit reached."),
            (500, None, "The server had an error."),
        ],
    )
    async def test_a_refusal_is_told_with_status_code_and_words(
        self, status: int, code: str | None, message: str
    ) -> None:
        body = json.dumps({"error": {"message": message, "type": "x", "param": None, "code": code}})
        failed = await refused_by(lambda connection, _: connection.respond(status, body))
        why = f"the model refused the connection with HTTP {status}: {message}"
        assert failed == ModelDialFailed(why, status, code)

    @pytest.mark.parametrize(
        "body",
        ["", "<html>Bad gateway</html>", "[]", "{}", '{"error":"no"}', '{"error":{"message":5}}', "[" * 5000],
        ids=lambda body: body[:24],
    )
    @pytest.mark.parametrize("status", [401, 429, 502])
    async def test_a_refusal_with_any_other_body_is_told_by_its_status(self, status: int, body: str) -> None:
        """Proxies answer with whatever they like."""
        failed = await refused_by(lambda connection, _: connection.respond(status, body))
        why = f"the model refused the connection with HTTP {status}: no reason"
        assert failed == ModelDialFailed(why, status)

    async def test_a_code_alone_is_reason_enough(self) -> None:
        failed = await refused_by(
            lambda connection, _: connection.respond(403, '{"error":{"code":"blocked"}}')
        )
        assert failed.why.endswith("HTTP 403: blocked")

    async def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        failed = await failed_dial(f"ws://127.0.0.1:{port}/")
        assert failed.why.startswith("ConnectionRefusedError: ")
        assert (failed.status, failed.code) == (None, None)

    async def test_nobody_answers(self) -> None:
        """The socket opens and then nothing comes."""
        over = asyncio.Event()

        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert await failed_dial(f"ws://127.0.0.1:{port}/", 0.05) == ModelDialFailed(
                "no answer in 0.05 s"
            )
            over.set()

    @pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 101 Nonsense\r\n\r\n"])
    async def test_somebody_else_answers(self, answer: bytes) -> None:
        async def other(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert (await failed_dial(f"ws://127.0.0.1:{port}/")).why

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1/", "ws://", "ws://127.0.0.1:99999/", "ws://a..b/", "wss://127.0.0.1/"]
    )
    async def test_an_address_that_cannot_be_dialled_is_a_failed_dial(self, url: str) -> None:
        """A fault of the configuration, `wss` without TLS included, must not look like one of ours."""
        assert (await failed_dial(url)).why

    def test_the_key_is_not_shown(self) -> None:
        assert repr(ModelDialer("wss://api.openai.com/v1/realtime", "sk-test")) == (
            "<ModelDialer wss://api.openai.com/v1/realtime>"
        )
