"""A network that is memory: who listens where, and who is connected to them. No address of it is real."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from callbridge.testing.virtual.connection import MemorySocket, connect

if TYPE_CHECKING:
    from callbridge.testing.virtual.connection import Address, MemoryTransport

MakeProtocol: TypeAlias = Callable[[], asyncio.BaseProtocol]

FIRST_PORT: Final = 901
"""Below 1024, where no server of a test, or of a developer, listens in earnest."""

FIRST_CLIENT_PORT: Final = 50_001

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", ""})  # noqa: S104 - names, not bound


class Listener:
    """What a server is given in place of a listening socket."""

    family: Final = socket.AF_INET
    type: Final = socket.SOCK_STREAM
    proto: Final = socket.IPPROTO_TCP

    def __init__(self, address: Address, descriptor: int) -> None:
        self._address, self._descriptor = address, descriptor

    def getsockname(self) -> Address:
        """Where it listens."""
        return self._address

    def fileno(self) -> int:
        """A descriptor at which nothing ever happens."""
        return self._descriptor

    def setblocking(self, _is_blocking: bool) -> None:
        """Nothing here blocks."""

    def close(self) -> None:
        """The server does it."""


class MemoryServer(asyncio.AbstractServer):
    """A server of this network, as `loop.create_server` answers it."""

    def __init__(self, network: MemoryNetwork, make: MakeProtocol, listener: Listener) -> None:
        self.make = make
        self._network = network
        self._listener = listener
        self._is_closed = False

    @property
    def sockets(self) -> tuple[Listener, ...]:
        """Where it listens; nowhere once it is closed."""
        return () if self._is_closed else (self._listener,)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Its loop."""
        return self._network.loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return not self._is_closed

    async def start_serving(self) -> None:
        """It does so from the beginning."""

    async def serve_forever(self) -> NoReturn:
        """Until it is cancelled."""
        await self.get_loop().create_future()
        raise AssertionError("nobody ends it but by cancelling")

    def close(self) -> None:
        """Takes no more connections; those that stand go on."""
        self._is_closed = True
        self._network.forget(self._listener.getsockname()[1])

    async def wait_closed(self) -> None:
        """Nothing is left of it: its connections are those of their protocols."""


class MemoryNetwork:
    """The servers of one loop. It lasts as long as its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._servers: dict[int, MemoryServer] = {}
        self._next_port, self._next_client_port = FIRST_PORT, FIRST_CLIENT_PORT
        self._descriptors: tuple[int, int] | None = os.pipe()

    def close(self) -> None:
        """Gives back what it has of the real world: a descriptor at which nothing ever happens."""
        descriptors, self._descriptors = self._descriptors, None
        for descriptor in descriptors or ():
            os.close(descriptor)

    @property
    def _descriptor(self) -> int:
        return -1 if self._descriptors is None else self._descriptors[0]

    def listener(self, port: int | None = None) -> Listener:
        """An address to listen at: one that was had before, or a free one."""
        if port is None:
            port, self._next_port = self._next_port, self._next_port + 1
        return Listener(("127.0.0.1", port), self._descriptor)

    def listen(self, make: MakeProtocol, listener: Listener) -> MemoryServer:
        """Takes connections there."""
        server = self._servers[listener.getsockname()[1]] = MemoryServer(self, make, listener)
        return server

    def forget(self, port: int) -> None:
        """Nobody listens there any more."""
        self._servers.pop(port, None)

    def has(self, host: Any, port: Any) -> bool:
        """Whether an address is one of this network: of this machine, and of no real listener."""
        return host in LOOPBACK and isinstance(port, int) and FIRST_PORT <= port < self._next_port

    def connect(self, make: MakeProtocol, port: int) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """Connects to who listens there.

        Raises:
            ConnectionRefusedError: nobody does.
        """
        server = self._servers.get(port)
        if server is None:
            raise ConnectionRefusedError(111, f"nobody listens at 127.0.0.1:{port}")
        own_port, self._next_client_port = self._next_client_port, self._next_client_port + 1
        here, there = ("127.0.0.1", own_port), ("127.0.0.1", port)
        sockets = MemorySocket(here, there, self._descriptor), MemorySocket(there, here, self._descriptor)
        client = make()
        return connect(self.loop, client, server.make(), sockets), client
