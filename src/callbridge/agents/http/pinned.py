"""Connections that go to the very address that was looked at.

A name is resolved once for each connection. Every address that it has must be allowed, and the connection
goes to one of these, not to the name: a second answer of the name server, which may be another, is never
asked for. TLS and `Host` go by the name.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpcore

from callbridge.agents.http.addresses import is_loopback, is_public
from callbridge.agents.tools.threads import Threads, ThreadsBusy

if TYPE_CHECKING:
    from callbridge.agents.http.addresses import Address

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, in the order in which they are to be tried."""

ATTEMPT_S: Final = 2.0
"""What one address has to answer before the next one is tried: two lost packets of a handshake."""

ADDRESSES_MAX: Final = 4
"""So many are tried; all are looked at."""


class AddressRefused(Exception):  # noqa: N818  # What is refused is no error of the program.
    """A name leads to where requests may not go."""


_LOOK_UPS: Final = Threads(16)
"""asyncio's own pool has a handful of threads, and the model's name is looked up there: a name server of
somebody's service that does not answer must keep no other call waiting."""


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says.

    Raises:
        OSError: it knows no such name.
        ThreadsBusy: as many names are looked up as may be.
    """
    found = await _LOOK_UPS.start(partial(_look_up, host, port), f"look-up of {host}")
    if isinstance(found, OSError):
        raise found
    return found


def _look_up(host: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        return OSError(str(error))
    except OSError as error:
        return error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at.

    Args:
        is_here: whether this machine is meant, and nothing else.
        resolve: finds the addresses of a host.
    """

    def __init__(self, *, is_here: bool, resolve: Resolve = resolve) -> None:
        self._is_allowed = is_loopback if is_here else is_public
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109  # It is httpcore's; the request has one.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See `httpcore.AsyncNetworkBackend`.

        Raises:
            AddressRefused: one of the host's addresses is not allowed.
            httpcore.ConnectError: the host has none, or none answers.
        """
        failure: Exception = httpcore.ConnectError("it has no address")
        for address in (await self._addresses_of(host, port))[:ADDRESSES_MAX]:
            try:
                return await self._sockets.connect_tcp(
                    str(address), port, ATTEMPT_S, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses_of(self, host: str, port: int) -> list[Address]:
        """Those of IPv4 first: many a container has no way out by IPv6, and does not know it."""
        try:
            addresses = [ip_address(text) for text in await self._resolve(host, port)]
        except (OSError, ThreadsBusy) as error:
            raise httpcore.ConnectError("its name cannot be looked up") from error
        for address in addresses:
            if not self._is_allowed(address):
                raise AddressRefused(f"{host} leads to {address}")
        return sorted(addresses, key=lambda address: not isinstance(address, IPv4Address))
