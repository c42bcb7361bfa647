"""Sends requests over connections that are kept: for what is sent often, and may be sent twice.

A kept connection may be closed by the other side in the very moment in which something is sent. Then nobody
can say whether it arrived; who uses this sends it again.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Final, Self

import httpcore

from callbridge.agents.http.pinned import PinnedBackend, resolve
from callbridge.agents.http.sending import answer_to, in_words, tls_context

if TYPE_CHECKING:
    from types import TracebackType

    from callbridge.agents.http.answers import HttpAnswer
    from callbridge.agents.http.pinned import Resolve
    from callbridge.agents.http.recipe import Request

KEPT_S: Final = 20.0
"""How long a connection is kept that nothing is sent over: many a service closes it after 30 s or more."""

KEPT_MAX: Final = 20


class KeptConnections:
    """Connections with the services that requests go to. To be used in `async with`.

    Args:
        resolve: finds the addresses of a host.
        tls: whom it trusts; by default whom this machine trusts.
    """

    def __init__(self, *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        trusted = tls or tls_context()
        self._public = _pool(trusted, PinnedBackend(is_here=False, resolve=resolve))
        self._here = _pool(trusted, PinnedBackend(is_here=True, resolve=resolve))
        self._anywhere = _pool(trusted, None)
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for pool in (self._public, self._here, self._anywhere):
            await self._opened.enter_async_context(pool)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def send(self, request: Request, limit_s: float, *, is_internal: bool = False) -> HttpAnswer:
        """What comes back within `limit_s` seconds.

        Args:
            request: what is sent.
            limit_s: the bound, with the time in which the connection is made.
            is_internal: it may go to a private network.

        Raises:
            NotSent: nobody was reached, or nobody may be reached there.
            NotAnswered: the answer did not come, or not in time.
        """
        pool = self._here if request.origin.is_here else self._anywhere if is_internal else self._public
        async with in_words(limit_s):
            return await answer_to(request, pool)


def _pool(tls: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend | None) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=None,  # Who sends has bounds for each receiver: none waits for another's connection.
        max_keepalive_connections=KEPT_MAX,
        keepalive_expiry=KEPT_S,
        network_backend=backend,
    )
