"""Attacks of strangers who reach the port and have no signature: bytes, connections, requests."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from callbridge.server.config import addresses
from e2e.target import CONTROL_KEY, answer_of, form_post
from e2e.test_strangers import CHUNKED, PIPELINED, shout
from e2e.test_strangers import silent as silent_peers
from raw_peer import KEY, RawPeer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.target import Target

SHOUTS_S: Final = 0.7
"""So long each of those sends who send without end."""

SILENT: Final = 2000
SLOW: Final = 40
WRONG_KEYS: Final = 500
ANSWERED_S: Final = 1.0
"""So long an answer is waited for that need not come."""

WEBHOOKS: Final = tuple(
    path
    for name, path in vars(addresses).items()
    if name.endswith("_PATH") and str(path).startswith("/twilio/")
)
"""All of them, whichever come to be."""
GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\n"
BODY: Final = b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"

# --- Without end -------------------------------------------------------------------------------------


async def without_end(
    target: Target, begin: bytes, endless: bytes, connections: int = 2, cuts_least: int = 1
) -> None:
    """Sends for a while, and comes again whenever it is cut off, as it has to be."""
    cuts = 0

    def count() -> None:
        nonlocal cuts
        cuts += 1

    async with asyncio.TaskGroup() as tasks:
        strangers = [
            tasks.create_task(shout(target.public_port, begin, endless, count)) for _ in range(connections)
        ]
        await asyncio.sleep(SHOUTS_S)
        for stranger in strangers:
            stranger.cancel()
    # A proxy has bounds of its own.
    assert cuts >= cuts_least or target.public_port != target.service.port, f"cut off {cuts} times"


endless_headers = partial(
    without_end, begin=GET[:-9], endless=b"X: y\r\n" * 1000, connections=8, cuts_least=8
)
endless_line = partial(without_end, begin=GET + b"X: ", endless=b"y" * 6000)
endless_trailers = partial(without_end, begin=CHUNKED + b"0\r\n", endless=b"X: y\r\n" * 1000)
endless_chunks = partial(without_end, begin=CHUNKED, endless=b"1\r\nx\r\n" * 1000)
# These end later, or are read no faster than they are answered.
endless_body = partial(
    without_end, begin=BODY.replace(b"60000", b"999999999"), endless=b"x" * 6000, cuts_least=0
)
pipelined = partial(without_end, begin=b"", endless=PIPELINED, cuts_least=0)


async def slowly(target: Target) -> None:
    """Heads and bodies of which a byte comes now and then."""
    async with AsyncExitStack() as open_:
        peers = [await open_.enter_async_context(target.connection()) for _ in range(SLOW)]
        for number, peer in enumerate(peers):
            await peer.send(BODY if number % 2 else GET)
        for _ in range(20):
            for peer in peers:
                with contextlib.suppress(ConnectionError):
                    await peer.send(b"x")
            await asyncio.sleep(SHOUTS_S / 20)


async def silent(target: Target) -> None:
    """Connections that say nothing."""
    async with silent_peers(target.public_port, SILENT):
        await asyncio.sleep(SHOUTS_S)


async def resets(target: Target) -> None:
    """Requests that are torn off in the middle, at every place where one can be."""
    whole = form_post("/twilio/voice", b"CallSid=CA1&AccountSid=AC1")
    for end in range(1, len(whole), 2):
        async with target.connection() as peer:
            await peer.send(whole[:end])
            peer.reset()


# --- What is no request of ours ----------------------------------------------------------------------


async def said(target: Target, words: bytes) -> bytes:
    """What is answered to these bytes: up to the end of its head, of the connection, or of our patience."""
    answer = b""
    async with target.connection() as peer:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(ANSWERED_S):
                await peer.send(words)
                while b"\r\n\r\n" not in answer and (more := await peer.read_some(65536)):
                    answer += more
    return answer


def status_of(answer: bytes) -> int:
    """Its status; 0 where the connection was ended without a word, or in words that are no HTTP."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


async def other_protocols(target: Target) -> None:
    """TLS, HTTP/2, HTTP/0.9, odd methods and heads: each is refused, and none is a fault."""
    client_hello = bytes.fromhex("16030100c8010000c40303") + bytes(189)
    for words in (
        client_hello,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"GET /healthz\r\n",
        b"\0" * 1000,
        b"\r\n" * 20_000,
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        GET + b"X: y\r\n" * 150 + b"\r\n",
        GET + b"X: " + b"y" * 60_000 + b"\r\n\r\n",
        BODY.replace(b"60000", b"-1"),
        BODY.replace(b"60000", b"5\r\nContent-Length: 6") + b"hello!",
        BODY.replace(b"60000", b"5\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n",
    ):
        status = status_of(await said(target, words))
        assert status == 0 or 400 <= status < 600, (words[:60], status)
        assert status != 500, words[:60]
    for method in ("TRACE", "PUT", "DELETE", "OPTIONS", "M-SEARCH", "X" * 4000):
        for path in (*WEBHOOKS, "/healthz", "/media-stream"):
            answer = await said(target, f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert status_of(answer) in {0, 400, 404, 405, 426}, (method, path, answer[:60])
    upgrade = (
        b"POST /twilio/voice HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    )
    answer = await said(target, upgrade + b"HTTP2-Settings: AAMAAABk\r\nContent-Length: 9\r\n\r\nCallSid=1")
    assert status_of(answer) == 403, answer[:60]


async def nowhere(target: Target) -> None:
    """What operators ask, documentation, files, and addresses with something behind them."""
    ours = set(WEBHOOKS)
    for path in (
        *("/drain", "/drain/", "//drain", "/metrics", "/docs", "/redoc", "/openapi.json", "/.env"),
        *("/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/twilio/../.env", "/twilio/voice%00"),
        *("/twilio//voice", "/%2e%2e/drain", "/twilio/voice/x", "/" + "a" * 5000),
    ):
        for method in ("GET", "POST", "DELETE"):
            head = f"{method} {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n"
            answer = await said(target, head.encode())
            assert path not in ours
            # A proxy may take dots and slashes out of a path; what is ours then is still not signed.
            assert status_of(answer) in {400, 403, 404, 414}, (method, path, answer[:60])
    for path in WEBHOOKS:
        answer = await said(target, f"GET {path}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        assert status_of(answer) == 403, (path, answer[:60])
        assert b"evil.example" not in answer, "sends nobody anywhere"


async def unsigned_upgrades(target: Target) -> None:
    """Sockets that nobody has signed, or signed wrongly, or asked for in an odd way."""
    lines = ["GET {} HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", "{}"]
    for number in range(100):
        path = ("/media-stream", "/media-stream/", "/media-stream?x=1", "/", "//media-stream")[number % 5]
        more = (
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nX-Twilio-Signature: {'A' * 27}=",
            "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 99",
        )[number % 4]
        head = "\r\n".join(lines).format(path, more) + "\r\n\r\n"
        answer = await said(target, head.encode())
        assert 400 <= status_of(answer) < 500, (head, answer[:60])


# --- Forms that nobody has signed ----------------------------------------------------------------------


FORM: Final = b"CallSid=CA%032d&AccountSid=%b&From=%%2B15550100001&To=%%2B15550100002&CallStatus=ringing"


async def forged(target: Target) -> None:
    """Some hundreds of webhooks in a second: unsigned, signed by another, cut off, of another account."""
    account = target.line.settings.twilio_account_sid.encode()
    form = FORM % (7, account)
    headers = (
        (),
        ("X-Twilio-Signature: ",),
        (f"X-Twilio-Signature: {'A' * 27}=",),
        ("X-Twilio-Signature: é",),
    )
    requests = [form_post(path, form, *more) for path in WEBHOOKS for more in headers]
    requests += [form_post(addresses.VOICE_PATH, form[:end], *headers[2]) for end in range(0, len(form), 3)]
    requests += [form_post(addresses.VOICE_PATH, FORM % (8, b"AC" + b"9" * 32), *headers[2])]
    await asyncio.gather(*(_refused(target, requests * 2) for _ in range(4)))


async def _refused(target: Target, requests: Sequence[bytes]) -> None:
    async with target.connection() as peer:
        for number, request in enumerate(requests):
            await peer.send(request)
            status, body = await answer_of(peer)
            assert status == 403, (request[-200:], status, body)
            if number % 4 == 0:
                await asyncio.sleep(0.005)  # Calls are played in the same process.


ODD_FORMS: Final[Sequence[tuple[str, bytes]]] = (
    ("big", b"CallSid=" + b"x" * 64_000),
    ("too big", b"CallSid=" + b"x" * 70_000),
    ("many", b"a=1&" * 250),
    ("too many", b"&".join(b"%d=%d" % (n, n) for n in range(5000))),
    ("nul", b"CallSid=%00&AccountSid=\0&From=a%00b"),
    ("surrogates", b"CallSid=%ed%a0%80&From=\xed\xa0\x80&To=%ud800"),
    ("no utf-8", b"CallSid=\xff\xfe&%ff=%fe&From=%c3%28"),
    ("signs", b"&=&&==%&%%&+=+&;;;a;b"),
    ("a name a thousand times", b"CallSid=1&" * 200),
    ("json", b'{"CallSid": "CA1"}'),
    ("empty", b""),
)


async def odd_forms(target: Target) -> None:
    """To every address, in the body and in the query: refused, whatever they hold."""
    for path in WEBHOOKS:
        async with target.connection() as peer:
            for name, body in ODD_FORMS:
                with contextlib.suppress(ConnectionError):
                    await peer.send(form_post(path, body))
                status, _ = await answer_of(peer)
                assert status in {400, 403, 413}, (path, name, status)
        for name, body in ODD_FORMS:
            query = body[:5000].replace(b"\0", b"%00").replace(b" ", b"%20")
            answer = await said(target, b"GET %b?%b HTTP/1.1\r\nHost: a\r\n\r\n" % (path.encode(), query))
            assert status_of(answer) in {400, 403, 413}, (path, name, answer[:60])


# --- The control listener -----------------------------------------------------------------------------


async def wrong_keys(target: Target) -> None:
    """Who guesses at the control listener: refused each time, and nothing is begun."""
    port = int(target.service.variables["CALLBRIDGE_CONTROL_PORT"])
    peer = await RawPeer.call(port)
    with contextlib.closing(peer):
        for number in range(WRONG_KEYS):
            method = ("POST", "DELETE", "GET")[number % 3]
            path = ("/drain", "/readyz")[number % 3 == 2]
            key = ("", "Bearer ", f"Bearer {CONTROL_KEY[: number % 28]}", "Bearer é", "Basic YTpi")[
                number % 5
            ]
            head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\nContent-Length: 0\r\n\r\n"
            await peer.send(head.encode("latin-1"))
            assert await answer_of(peer) == (401, b""), head
            if number % 5 == 0:
                await asyncio.sleep(0.001)
        # The proof that it was the key.
        await peer.send(
            f"GET /drain HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {CONTROL_KEY}\r\n\r\n".encode()
        )
        status, body = await answer_of(peer)
    assert (status, b'"serving"' in body) == (200, True), body
