"""Dialling the model: what is asked, what a refusal tells, and that a dial which fails leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.dialer import ModelDialer
from callbridge.bridge.legs.leg import DialError, Patience
from callbridge.call.events import Leg, LegGone, LegStalled, ModelDialFailed
from lanes import BOUND_S, MODEL, Ear, model_listener
from leftovers import leaves_nothing
from raw_peer import RawPeer, closing, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from picows import WSTransport
    from websockets.http11 import Request, Response

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"


@pytest.fixture(autouse=True)
async def _bound() -> AsyncIterator[None]:
    """Every dial ends, and nothing is left of it but the leg that it gave."""
    async with leaves_nothing():
        yield


@contextlib.asynccontextmanager
async def model(served: Callable[[ServerConnection], Awaitable[None]], **options: Any) -> AsyncIterator[str]:
    """A WebSocket server of another make; where it is, without the scheme."""
    async with asyncio.timeout(BOUND_S), serve(served, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"127.0.0.1:{port}/v1/realtime"


async def hang_up(connection: ServerConnection) -> None:
    """What a model does that is not to be talked to."""
    await connection.close()


@contextlib.asynccontextmanager
async def answering(*answers: bytes, then_closes: bool = False) -> AsyncIterator[str]:
    """A server that takes one request and answers bytes, each part in a packet of its own."""

    async def answer() -> None:
        peer = await RawPeer.accept_silently(listener)
        try:
            await peer.read_head()
            for part in answers:
                await peer.send(part)
                await peer.was_read()
            if not then_closes:
                await peer.read_to_end()
        finally:
            peer.close()

    with model_listener() as (listener, url):
        async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks:
            served = tasks.create_task(answer())
            yield url
            served.cancel()


async def failed_dial(url: str, open_timeout_s: float = BOUND_S) -> ModelDialFailed:
    with pytest.raises(DialError) as failed:
        await ModelDialer(url, "sk-test", open_timeout_s=open_timeout_s).dial(MODEL)
    assert str(failed.value) == failed.value.event.why
    assert "sk-test" not in str(failed.value)
    return failed.value.event


async def asked_by_a_dial(login: str = "", model_name: str = MODEL) -> tuple[Request, str]:
    """What a model is asked by a dial, and where it listens."""
    requests: list[Request] = []

    async def served(connection: ServerConnection) -> None:
        assert connection.request is not None
        requests.append(connection.request)
        await connection.close()

    async with model(served) as place:
        leg = await ModelDialer(f"ws://{login}{place}", "sk-test").dial(model_name)
        assert await leg.read(Ear()) == LegGone(Leg.MODEL, 1000, "")
        await leg.close(1000, "")
    return requests[0], place.partition("/")[0]


async def test_the_handshake_has_the_key_and_nothing_of_the_beta() -> None:
    """A Bearer key, the model on the address, no compression, no beta header."""
    request, place = await asked_by_a_dial()
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.headers["Host"] == place
    assert "OpenAI-Beta" not in request.headers
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert request.path == "/v1/realtime?model=gpt-realtime-2.1"


async def test_a_name_and_password_in_the_address_stay_at_home() -> None:
    """RFC 9112, section 3.2: `Host` is the place and the port."""
    request, place = await asked_by_a_dial(login="me:secret@")
    assert request.headers["Host"] == place


async def test_a_name_of_a_model_cannot_break_out_of_the_address() -> None:
    """It is what somebody typed into a setting."""
    request, _place = await asked_by_a_dial(model_name="a b&c=d HTTP/1.1\r\nX: y#")
    assert request.path == "/v1/realtime?model=a+b%26c%3Dd+HTTP%2F1.1%0D%0AX%3A+y%23"


async def test_what_comes_with_the_answer_is_heard() -> None:
    """The first event may be in the packet of the handshake, and so may be the end."""
    ear = Ear()
    with model_listener() as (listener, url):
        async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks:
            first = b"".join(frame.encode(masks=False) for frame in (text("created"), closing(4000, "no")))
            accepting = tasks.create_task(RawPeer.accept(listener, hasty=first))
            leg = await ModelDialer(url, "sk-test").dial(MODEL)
            assert await leg.read(ear) == LegGone(Leg.MODEL, 4000, "no")
            await leg.close(1000, "")
    accepting.result().close()
    assert ear.heard == ["created"]


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
async def test_an_answer_by_a_proxy_is_as_good(connection: str) -> None:
    """Upgrade has to be among the tokens of `Connection` (RFC 6455, section 4.1); proxies add their own."""

    async def accept() -> None:
        peer = await RawPeer.accept(listener, connection=connection)
        try:
            await peer.read_to_close()
        finally:
            peer.close()

    with model_listener() as (listener, url):
        async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(accept())
            leg = await ModelDialer(url, "sk-test").dial(MODEL)
            await leg.close(1000, "")


@pytest.fixture(scope="module")
def tls_server() -> dict[str, ssl.SSLContext]:
    """What a server needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return {"ssl": context}


@pytest.fixture(scope="module")
def trust() -> ssl.SSLContext:
    """A client's context that trusts our certificate, for `localhost` and `127.0.0.1`."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_leg_over_tls(host: str, tls_server: dict[str, Any], trust: ssl.SSLContext) -> None:
    """Both ways, long and short, and the close code."""
    codes: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
    ear = Ear()

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # Any code but 1000 ends the loop so.
            async for message in connection:
                await connection.send(message)
        codes.put_nowait((connection.close_code, connection.close_reason))

    async with model(echo, **tls_server) as place:
        leg = await ModelDialer(f"wss://{place.replace('127.0.0.1', host)}", "sk-test", trust).dial(MODEL)
        reading = asyncio.create_task(leg.read(ear))
        for message in (b"short", b"x" * 300_000, "schön".encode()):
            leg.send(message)
        await ear.hears(3)
        await leg.close(1011, "internal_error")
        await reading
        assert await codes.get() == (1011, "internal_error")
    assert [message[:5] for message in ear.heard] == ["short", "xxxxx", "schön"]


async def test_a_model_that_stops_reading_over_tls_is_stalled_and_dropped_in_time(
    tls_server: dict[str, Any], trust: ssl.SSLContext
) -> None:
    """It takes neither a message nor the close, and it would not take TLS's own goodbye either."""
    over = asyncio.Event()

    async def served(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await over.wait()
        connection.transport.abort()

    patience = Patience(outbox_bytes_max=2**30, send_timeout_s=0.05, close_timeout_s=0.05)
    async with model(served, **tls_server) as place:
        leg = await ModelDialer(f"wss://{place}", "sk-test", trust, patience=patience).dial(MODEL)
        try:
            for _ in range(16):  # More than two socket buffers take.
                leg.send(b"x" * 2**20)
            assert await leg.read(Ear()) == LegStalled(Leg.MODEL, "nothing was taken for 0.05 s")
            await leg.close(1011, "model_lost")
        finally:
            over.set()


async def test_a_model_that_cannot_be_trusted_gets_no_key(tls_server: dict[str, Any]) -> None:
    """TLS ends the dial before the handshake that carries it."""
    requests: list[object] = []

    async def served(connection: ServerConnection) -> None:
        requests.append(connection)

    async with model(served, **tls_server) as place:
        strangers_only = ssl.create_default_context()
        with pytest.raises(DialError, match="CERTIFICATE_VERIFY_FAILED"):
            await ModelDialer(f"wss://{place}", "sk-test", strangers_only).dial(MODEL)
    assert requests == []


async def test_wss_without_tls_is_not_dialled() -> None:
    """A fault of the set-up must not send the key in the clear."""
    with model_listener() as (listener, url):
        assert (await failed_dial(url.replace("ws:", "wss:"))).why == "ValueError: wss needs a TLS context"
        with pytest.raises(BlockingIOError):
            listener.accept()


async def refused_by(answer: Callable[[ServerConnection, Request], Response]) -> ModelDialFailed:
    """What a dial tells whose handshake is answered by `answer`."""
    async with model(hang_up, process_request=answer) as place:
        return await failed_dial(f"ws://{place}")


@pytest.mark.parametrize(
    ("status", "error", "told", "code"),
    [
        (401, {"message": "Incorrect API key.", "type": "x", "param": None, "code": "invalid_api_key"},
         "Incorrect API key.", "invalid_api_key"),
        (500, {"message": "The server had an error.", "code": None}, "The server had an error.", None),
        (403, {"code": "blocked"}, "blocked", "blocked"),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_with_status_code_and_words(
    status: int, error: dict[str, str | None], told: str, code: str | None
) -> None:
    failed = await refused_by(lambda connection, _: connection.respond(status, json.dumps({"error": error})))
    assert failed == ModelDialFailed(
        f"the model refused the connection with HTTP {status}: {told}", status, code
    )


REFUSAL = b'{"error":{"message":"Rate limit reached.","code":"rate_limit_exceeded"}}'
HEAD = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
SIZED = HEAD + b"Content-Length: %d\r\n\r\n" % len(REFUSAL)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(REFUSAL), REFUSAL)


@pytest.mark.parametrize(
    "parts",
    [
        [SIZED + REFUSAL],
        [SIZED, REFUSAL],
        [SIZED + REFUSAL[:20], REFUSAL[20:]],
        [HEAD + b"Connection: close\r\n\r\n", REFUSAL],
        [HEAD + CHUNKED],
    ],
    ids=["at once", "head and body", "body in two parts", "body to the end", "in chunks"],
)
async def test_a_refusal_is_told_in_its_words_however_they_come(parts: list[bytes]) -> None:
    """Servers and TLS records part the head from the body as they like."""
    async with answering(*parts, then_closes=True) as url:
        failed = await failed_dial(url)
    why = "the model refused the connection with HTTP 429: Rate limit reached."
    assert failed == ModelDialFailed(why, 429, "rate_limit_exceeded")


@pytest.mark.parametrize(
    "body",
    ["", "<html>Bad gateway</html>", "[]", "{}", '{"error":"no"}', '{"error":{"message":5}}', "[" * 5000],
    ids=lambda body: body[:24],
)
async def test_a_refusal_with_any_other_body_is_told_by_its_status(body: str) -> None:
    """Proxies answer with whatever they like."""
    failed = await refused_by(lambda connection, _: connection.respond(502, body))
    assert failed == ModelDialFailed("the model refused the connection with HTTP 502: no reason", 502)


async def test_a_refusal_with_a_long_body_is_told_by_its_status(caplog: pytest.LogCaptureFixture) -> None:
    """A page of an apologetic proxy: longer than any buffer, and nothing of it lands in the log."""
    failed = await refused_by(lambda connection, _: connection.respond(503, "<p>Sorry.</p>" * 20_000))
    assert failed == ModelDialFailed("the model refused the connection with HTTP 503: no reason", 503)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


@pytest.mark.parametrize(
    ("line", "retry_after_s"),
    [
        (b"Retry-After: 2", 2.0),
        (b"retry-after:120", 120.0),
        (b"RETRY-AFTER:  0\t", 0.0),
        (b"Retry-After: Fri, 31 Dec 2027 23:59:59 GMT", None),
        (b"Retry-After: -1", None),
        (b"Retry-After: 1.5", None),
        (b"Retry-After: 99999999", None),
        (b"Retry-After:", None),
        (b"X-Retry-After: 2", None),
    ],
)
async def test_a_refusal_tells_when_to_try_again(line: bytes, retry_after_s: float | None) -> None:
    """In whole seconds, as RFC 9110 has them; anything else is no word at all."""
    async with answering(HEAD + line + b"\r\nContent-Length: 0\r\n\r\n") as url:
        failed = await failed_dial(url)
    assert failed.status == 429
    assert failed.retry_after_s == retry_after_s


async def test_a_refusal_with_a_status_of_nobodys_book_is_told_by_it() -> None:
    """The network in front of the model has numbers of its own."""
    async with answering(b"HTTP/1.1 529 Site Is Overloaded\r\nContent-Length: 0\r\n\r\n") as url:
        failed = await failed_dial(url)
    assert failed == ModelDialFailed("the model refused the connection with HTTP 529: no reason", 529)


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """The key is for the address of the settings and for no other."""
    with model_listener() as (elsewhere, other_url):
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {other_url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering(head) as url:
            failed = await failed_dial(url)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert failed.status == status


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process may open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("host", ["127.0.0.1", "model.invalid"])
async def test_a_dial_without_descriptors_is_told_as_a_fault_of_ours(host: str) -> None:
    """Also where it looks as if there were no such name."""
    with no_descriptor_left():
        failed = await failed_dial(f"ws://{host}:9/")
    assert failed.lacks_descriptors
    assert not (await failed_dial("ws://127.0.0.1:9/")).lacks_descriptors


async def test_nobody_listens() -> None:
    with model_listener() as (listener, url):
        listener.close()
        failed = await failed_dial(url)
    assert failed.why.startswith("ConnectionRefusedError: ")
    assert (failed.status, failed.code) == (None, None)


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 Nonsense\r\n\r\n",
        UPGRADED + b"\r\n",
        UPGRADED + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"\xff\xfe\r\n\r\n",
    ],
)
async def test_somebody_else_answers(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is no leg, and no riddle in the log."""
    async with answering(answer, then_closes=True) as url:
        failed = await failed_dial(url)
    # An upgrade that is none is not a refusal: the status would mislead.
    assert failed.why.startswith("the model refused" if b" 200 " in answer else ("WSInvalid", "Connection"))
    assert failed.status == (200 if b" 200 " in answer else None)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_an_answer_without_end_is_cut_off() -> None:
    """A head of a megabyte is nobody's handshake."""
    async with answering(b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 2**20) as url:
        assert (await failed_dial(url)).why != f"no answer in {BOUND_S:g} s"


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "ws://127.0.0.1:99999/", "ws://a..b/"])
async def test_an_address_that_cannot_be_dialled_is_a_failed_dial(url: str) -> None:
    """A fault of the configuration must not look like one of ours."""
    assert (await failed_dial(url)).why


@contextlib.contextmanager
def full_house() -> Iterator[str]:
    """An address that takes no further connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"


@contextlib.asynccontextmanager
async def stuck(stage: str) -> AsyncIterator[str]:
    """An address at which a dial gets as far as `stage`, and no further."""
    if stage == "connect":
        with full_house() as url:
            yield url
    elif stage == "TLS":
        with model_listener() as (_listener, url):
            yield url.replace("ws:", "wss:")
    else:
        parts = {"upgrade": [], "half an answer": [UPGRADED]}[stage]
        async with answering(*parts) as url:
            yield url


STAGES = ["connect", "TLS", "upgrade", "half an answer"]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_dial_that_takes_too_long_leaves_nothing(stage: str, trust: ssl.SSLContext) -> None:
    """Wherever it is stuck: no socket, no task, and words for the log."""
    async with stuck(stage) as url, leaves_nothing():
        with pytest.raises(DialError, match=r"^no answer in 0\.05 s$") as failed:
            await ModelDialer(url, "sk-test", trust, open_timeout_s=0.05).dial(MODEL)
        del failed


@pytest.mark.parametrize("stage", STAGES)
async def test_a_dial_that_is_cancelled_leaves_nothing(stage: str, trust: ssl.SSLContext) -> None:
    """The caller may hang up while the model is dialled; what was opened is closed at once."""
    async with asyncio.timeout(BOUND_S), stuck(stage) as url, leaves_nothing():
        dialling = asyncio.create_task(ModelDialer(url, "sk-test", trust).dial(MODEL))
        # Nothing tells how far it is; one that was not stuck there would have ended meanwhile.
        done, _ = await asyncio.wait([dialling], timeout=0.05)
        assert not done, dialling
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling


async def test_a_dial_that_is_cancelled_as_it_succeeds_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The upgrade is there, and the task that waited for it has not been told."""
    connected = CallbackLeg.on_ws_connected

    def connect_and_cancel(leg: CallbackLeg, transport: WSTransport) -> None:
        connected(leg, transport)
        dialling.cancel()

    monkeypatch.setattr(CallbackLeg, "on_ws_connected", connect_and_cancel)
    with model_listener() as (listener, url):
        async with asyncio.timeout(BOUND_S), leaves_nothing():
            dialling = asyncio.create_task(ModelDialer(url, "sk-test").dial(MODEL))
            peer = await RawPeer.accept(listener)
            with pytest.raises(asyncio.CancelledError):
                await dialling
            assert await peer.read_to_end() == []
            peer.close()


async def test_the_key_is_not_shown() -> None:
    assert repr(ModelDialer("wss://api.openai.com/v1/realtime", "sk-test")) == (
        "<ModelDialer wss://api.openai.com/v1/realtime>"
    )
