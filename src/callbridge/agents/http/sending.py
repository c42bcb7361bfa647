"""Sends one request over a connection of its own, within a time, and reads a bounded answer.

No redirect is followed, no cookie is kept, no proxy of the environment is used. A connection that was kept
from an earlier request would save a handshake, and might be closed by the other side in the very moment in
which a booking is sent: then nobody could say whether it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from functools import cache
from typing import TYPE_CHECKING, Final

import httpcore

from callbridge.agents.http.answers import READ_BYTES_MAX, HttpAnswer
from callbridge.agents.http.pinned import AddressRefused, PinnedBackend, resolve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.agents.http.pinned import Resolve
    from callbridge.agents.http.recipe import Request

_HEADERS: Final = {"User-Agent": "callbridge", "Accept": "application/json, text/plain;q=0.9, */*;q=0.1"}


class NotSent(Exception):  # noqa: N818  # It is told, and no error of the program.
    """Nothing was sent. The text says why."""


class NotAnswered(Exception):  # noqa: N818  # As above.
    """The request was sent, or a part of it, and its answer did not come. The text says why."""


@cache
def tls_context() -> ssl.SSLContext:
    """One for the process: to make it takes 17 ms."""
    return ssl.create_default_context()


class Sender:
    """Sends the requests of an agent.

    Args:
        resolve: finds the addresses of a host.
        tls: whom it trusts; by default whom this machine trusts.
    """

    def __init__(self, *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        self._resolve, self._tls = resolve, tls or tls_context()

    async def send(self, request: Request, limit_s: float) -> HttpAnswer:
        """What comes back within `limit_s` seconds.

        Raises:
            NotSent: nobody was reached, or nobody may be reached there.
            NotAnswered: the answer did not come, or not in time.
        """
        async with in_words(limit_s), self._connections(request) as connections:
            return await answer_to(request, connections)

    def _connections(self, request: Request) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(is_here=request.origin.is_here, resolve=self._resolve),
        )


@contextlib.asynccontextmanager
async def in_words(limit_s: float) -> AsyncIterator[None]:
    """Bounds a request to `limit_s` seconds, and says what became of it.

    Raises:
        NotSent: as `Sender.send`.
        NotAnswered: as `Sender.send`.
    """
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise NotAnswered(f"the service did not answer within {limit_s:.3g} s") from error
    except AddressRefused as error:
        raise NotSent("the name of the service leads to an address that is not allowed") from error
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise NotSent("the service cannot be reached") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise NotAnswered("the connection with the service broke off") from error


async def answer_to(request: Request, connections: httpcore.AsyncConnectionPool) -> HttpAnswer:
    """What comes back over one of these connections, as much of it as is read."""
    headers = list({**_HEADERS, **request.headers}.items())
    async with connections.stream(
        request.method, request.url, headers=headers, content=request.content
    ) as response:
        body = b""
        async for part in response.aiter_stream():
            body += part
            if len(body) > READ_BYTES_MAX:
                break
        got = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        return HttpAnswer(
            status=response.status,
            content_type=got.get("content-type", ""),
            body=body[:READ_BYTES_MAX],
            is_whole=len(body) <= READ_BYTES_MAX,
            is_encoded=got.get("content-encoding", "identity").lower() != "identity",
            retry_after=got.get("retry-after", ""),
        )
