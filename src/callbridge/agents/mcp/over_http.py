"""A server in the network, by streamable HTTP: its answers have bounds, and a fault of one request stays one.

Specification: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
"""

from __future__ import annotations

import contextlib
import json
import math
from typing import TYPE_CHECKING, Final

import httpx2
from mcp.client.streamable_http import streamable_http_client

from callbridge.agents.http.sending import tls_context
from callbridge.agents.mcp.bounds import MESSAGE_BYTES_MAX, Volume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mcp.client._transport import TransportStreams

    from callbridge.agents.mcp.servers import Address

CONNECT_S: Final = 5.0

GOODBYE_S: Final = 2.0
"""What a server has to answer that its session is over."""

NOT_REACHED: Final = -32050
BROKE_OFF: Final = -32051
"""Codes of ours (JSON-RPC leaves -32000 to -32099 to who implements it)."""

_ERRORS_FROM: Final = 400
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
            transport=_Bounded(
                httpx2.AsyncHTTPTransport(verify=tls_context(), trust_env=False), Volume(self._ended)
            ),
            trust_env=False,
        )
        speaking = streamable_http_client(
            self._address.url, http_client=client, max_sse_event_size=MESSAGE_BYTES_MAX
        )
        async with client, speaking as streams:
            yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    """What goes wrong with one request is an answer to it.

    The library would end the whole connection, and with it what other calls wait for.
    """

    def __init__(self, network: httpx2.AsyncBaseTransport, volume: Volume) -> None:
        self._network, self._volume = network, volume

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            request.extensions["timeout"] = httpx2.Timeout(GOODBYE_S).as_dict()
        try:
            response = await self._network.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            return _error(NOT_REACHED, "the server cannot be reached")
        except httpx2.TransportError:
            return _error(BROKE_OFF, "the connection with the server broke off")
        kind = response.headers.get("content-type", "")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            return _error(BROKE_OFF, "the server has compressed its answer, which it was asked not to do")
        if response.status_code >= _ERRORS_FROM and response.status_code != 404 and "json" not in kind:
            await response.aclose()
            return _error(BROKE_OFF, f"the server has answered with HTTP {response.status_code}")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        has_events = kind.startswith("text/event-stream")  # They have a bound each.
        response.stream = _Body(response.stream, math.inf if has_events else MESSAGE_BYTES_MAX, self._volume)
        return response

    async def aclose(self) -> None:
        await self._network.aclose()


class _Body(httpx2.AsyncByteStream):
    """A body, up to the bound of its own and that of all."""

    def __init__(self, body: httpx2.AsyncByteStream, bytes_max: float, volume: Volume) -> None:
        self._body, self._bytes_max, self._volume = body, bytes_max, volume

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._body:
            size += len(part)
            if size > self._bytes_max:
                raise httpx2.StreamError(f"the answer has more than {self._bytes_max} bytes")
            if self._volume.is_too_much(len(part)):
                raise httpx2.StreamError("the server has sent too much")
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()


def _error(code: int, message: str) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(502, headers=_JSON, content=json.dumps(error).encode())
