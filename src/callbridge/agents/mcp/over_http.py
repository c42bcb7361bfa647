"""A server in the network, by streamable HTTP: its answers have bounds, and a fault of one request stays one.

Each request keeps a connection until it is answered. A server of before 2026 is told that a tool was given
up, and may hold the connection all the same: so it is closed here then, and when nobody can wait any longer.

Specification: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
"""

from __future__ import annotations

import contextlib
import json
import math
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client

from callbridge.agents.http.sending import tls_context
from callbridge.agents.mcp.bounds import MESSAGE_BYTES_MAX, Volume
from callbridge.agents.mcp.legible import legible
from callbridge.agents.tools.tool import TIMEOUT_S_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from mcp.client._transport import TransportStreams

    from callbridge.agents.mcp.servers import Address

CONNECT_S: Final = 5.0

NOTED_WITHIN_S: Final = 2.0
"""What a server has to take note of what wants no answer: nothing else is said to it meanwhile."""

TOOL_WITHIN_S: Final = TIMEOUT_S_MAX + NOTED_WITHIN_S
"""Nobody waits longer for a tool, also where the server could not be told that it was given up."""

CONNECTIONS_MAX: Final = 72
"""With one server: for 64 tools that run, and for what else is said. One more is not reached."""

NOT_REACHED: Final = -32050
BROKE_OFF: Final = -32051
"""Codes of ours (JSON-RPC leaves -32000 to -32099 to who implements it)."""

_ERRORS_FROM: Final = 400
_NOT_LET_IN: Final = frozenset({401, 403})
"""Whatever it says with that, in JSON or not: no word of the protocol."""

_JSON: Final = {"content-type": "application/json"}


class OverHttp:
    """The way to it.

    Args:
        address: where it is.
        ended: told why nothing more is read, where the reason is ours.
    """

    last_words: Final = ""
    """It prints nothing that we could see."""

    def __init__(self, address: Address, ended: Callable[[str], None]) -> None:
        self._address, self._ended = address, ended

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[TransportStreams]:
        """Where messages come and go. Nothing is sent yet."""
        own = {name: value.get_secret_value() for name, value in self._address.headers}
        client = httpx2.AsyncClient(
            headers={"User-Agent": "callbridge", **own, "Accept-Encoding": "identity"},
            # A stream is silent for as long as nothing happens. Who waits for an answer has a time for it.
            timeout=httpx2.Timeout(CONNECT_S, read=None),
            transport=Bounded(_network(), Volume(self._ended)),
            trust_env=False,
        )
        speaking = streamable_http_client(
            self._address.url, http_client=client, max_sse_event_size=MESSAGE_BYTES_MAX
        )
        async with client, speaking as streams:
            yield streams


def _network() -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=CONNECTIONS_MAX)
    return httpx2.AsyncHTTPTransport(verify=tls_context(), trust_env=False, limits=limits)


class Bounded(httpx2.AsyncBaseTransport):
    """What goes wrong with one request is an answer to it, and it ends when nobody waits for it any longer.

    The library would end the whole connection, and with it what other calls wait for.

    Args:
        network: sends requests.
        volume: counts what comes.
    """

    def __init__(self, network: httpx2.AsyncBaseTransport, volume: Volume) -> None:
        self._network, self._volume = network, volume
        self._unanswered: WeakValueDictionary[object, _Waiting] = WeakValueDictionary()
        """By the protocol's ids. Each goes with its answer."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends one, and answers it whatever happens."""
        message = json.loads(request.content) if request.method == "POST" else {}
        if request.method != "GET" and not {"id", "method"} <= message.keys():
            return await self._note(request, message)
        method = message.get("method")
        waiting = _Waiting(TOOL_WITHIN_S if method == "tools/call" else math.inf)
        self._unanswered[message.get("id")] = waiting
        response = await self._answer(request, waiting)
        if method == "tools/list":
            response.stream = _List(response.stream, has_events=_has_events(response))
        return response

    async def _note(self, request: httpx2.Request, message: dict[str, Any]) -> httpx2.Response:
        """Sends what wants no answer. Perhaps it says that another request was given up."""
        try:
            return await self._answer(request, _Waiting(NOTED_WITHIN_S))
        finally:
            is_given_up = message.get("method") == "notifications/cancelled"
            if is_given_up and (waiting := self._unanswered.get(message["params"]["requestId"])):
                waiting.end()

    async def _answer(self, request: httpx2.Request, waiting: _Waiting) -> httpx2.Response:
        try:
            with waiting.in_time():
                response = await self._network.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            return _error(NOT_REACHED, "the server cannot be reached")
        except httpx2.TransportError:
            return _error(BROKE_OFF, "the connection with the server broke off")
        except TimeoutError:
            return _error(BROKE_OFF, "the server has not answered in time")
        if fault := _fault_of(response):
            await response.aclose()
            return _error(BROKE_OFF, fault)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Body(response.stream, waiting, self._volume, has_events=_has_events(response))
        return response

    async def aclose(self) -> None:
        """Nothing more is sent."""
        await self._network.aclose()


def _has_events(response: httpx2.Response) -> bool:
    """Whether its body is a stream of events."""
    return bool(response.headers.get("content-type", "").startswith("text/event-stream"))


def _fault_of(response: httpx2.Response) -> str:
    """Why it is not read; empty where it is."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "the server has compressed its answer, which it was asked not to do"
    status, kind = response.status_code, response.headers.get("content-type", "")
    is_fault = status >= _ERRORS_FROM and status != 404
    if status in _NOT_LET_IN or (is_fault and "json" not in kind):
        return f"the server has answered with HTTP {status}"
    return ""


class _Waiting:
    """How long an answer is waited for.

    Args:
        within_s: at most.
    """

    def __init__(self, within_s: float) -> None:
        self._until = anyio.current_time() + within_s
        self._scope = anyio.CancelScope()

    def end(self) -> None:
        """Nobody waits any longer."""
        self._until = -math.inf
        self._scope.cancel()

    @contextlib.contextmanager
    def in_time(self) -> Iterator[None]:
        """For one step on the way to the answer.

        Raises:
            TimeoutError: nobody waits for it any longer.
        """
        with anyio.CancelScope(deadline=self._until) as self._scope:
            yield
        if self._scope.cancelled_caught:
            raise TimeoutError


class _Body(httpx2.AsyncByteStream):
    """A body, up to the bound of its own and that of all, for as long as it is waited for."""

    def __init__(
        self, body: httpx2.AsyncByteStream, waiting: _Waiting, volume: Volume, *, has_events: bool
    ) -> None:
        self._body, self._waiting, self._volume, self._has_events = body, waiting, volume, has_events
        self._bytes_max = math.inf if has_events else MESSAGE_BYTES_MAX  # Events have a bound each.

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, size = aiter(self._body), 0
        while (part := await self._next(parts)) is not None:
            size += len(part)
            if size > self._bytes_max:
                raise httpx2.StreamError(f"the answer has more than {self._bytes_max} bytes")
            if self._volume.is_too_much(len(part)):
                raise httpx2.StreamError("the server has sent too much")
            yield part

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes | None:
        try:
            with self._waiting.in_time():
                return await anext(parts, None)
        except TimeoutError as error:
            # Events that broke off otherwise are asked for again: these are not.
            kind = httpx2.SSEError if self._has_events else httpx2.StreamError
            raise kind("the server has not answered in time") from error
        except httpx2.TransportError as error:
            if self._has_events:
                raise
            raise httpx2.StreamError("the connection with the server broke off") from error

    async def aclose(self) -> None:
        await self._body.aclose()


class _List(httpx2.AsyncByteStream):
    """The body of an answer that lists tools, without what would make all of it illegible."""

    def __init__(self, body: httpx2.AsyncByteStream | httpx2.SyncByteStream, *, has_events: bool) -> None:
        assert isinstance(body, httpx2.AsyncByteStream)
        self._body, self._has_events = body, has_events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """As a whole; of events whole lines, in which their texts stand."""
        text = bytearray()
        async for part in self._body:
            # Looked for in what is new: a server may send a long line byte by byte.
            line_end = max(part.rfind(b"\n"), part.rfind(b"\r")) + 1 if self._has_events else 0
            end = len(text) + line_end if line_end else 0
            text += part
            if len(text) - end > MESSAGE_BYTES_MAX:
                end = len(text)  # Who reads it says that this is too much.
            if end:
                yield legible(bytes(text[:end]))
                del text[:end]
        yield legible(bytes(text))

    async def aclose(self) -> None:
        await self._body.aclose()


def _error(code: int, message: str) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(502, headers=_JSON, content=json.dumps(error).encode())
