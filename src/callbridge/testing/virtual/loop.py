"""`VirtualLoop`: asyncio's own event loop, with a clock that jumps and a network that is memory.

Addresses of that network are answered in memory, all others by the real world. It waits for the real world
where a thread or a descriptor of it is at work, and only then does its clock go at real speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from typing import TYPE_CHECKING, Any

from callbridge.testing.virtual.clock import GRACE_S, VirtualClock
from callbridge.testing.virtual.network import Listener, MemoryNetwork

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from callbridge.testing.virtual.network import MakeProtocol


class _Selector(selectors.BaseSelector):
    """Waits for the real world where it has something to wait for; otherwise the clock jumps."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors`, and so with what follows."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See above."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See above."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See above."""
        return self._real.get_map()

    def close(self) -> None:
        """See above."""
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What the real world has to say; time goes by when that, or the next timer, is waited for."""
        loop = self.loop
        if loop is None:
            return self._real.select(timeout)
        # One is the loop's own, by which threads wake it.
        has_descriptors = len(self._real.get_map()) > 1
        if has_descriptors or loop.is_woken:
            found = self._real.select(0)
            if found:
                return found
        if timeout is not None and timeout <= 0:
            return []
        until = loop.next_timer
        if until is not None and not has_descriptors and not loop.is_world_awaited:
            loop.clock.jump(until)
            return []
        found = self._real.select(loop.clock.real_wait_s(until))
        loop.clock.waited(until)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop for one thread, and for one test.

    Args:
        is_working: whether a thread is at work that the loop does not know of.
        grace_s: see `clock`.
    """

    def __init__(self, is_working: Callable[[], bool] = lambda: False, grace_s: float = GRACE_S) -> None:
        selector = _Selector()
        self.clock = VirtualClock(grace_s=grace_s)
        self.is_woken = False
        """A thread has something for the loop."""
        super().__init__(selector)
        self.network = MemoryNetwork(self)
        self._is_working = is_working
        self._in_executor = 0
        self._dialled: dict[int, int] = {}
        """Descriptors of sockets that were connected to this network, each with the port."""
        selector.loop = self

    def time(self) -> float:
        """Seconds on its own clock."""
        return self.clock.now

    def close(self) -> None:
        """Ends it, and gives back what it had of the real world."""
        super().close()
        self.network.close()

    @property
    def next_timer(self) -> float | None:
        """When the next timer is due; None where there is none."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # asyncio's heap.
        return scheduled[0].when() if scheduled else None

    @property
    def is_world_awaited(self) -> bool:
        """Whether a thread is at work for somebody here."""
        return self._in_executor > 0 or self._is_working()

    # --- Threads ---

    def _write_to_self(self) -> None:
        self.is_woken = True
        super()._write_to_self()  # type: ignore[misc]  # asyncio's own.

    def _read_from_self(self) -> None:
        self.is_woken = False
        super()._read_from_self()  # type: ignore[misc]  # As above.

    def run_in_executor(  # type: ignore[override]  # asyncio names the types of the arguments.
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As asyncio does. As long as it runs, time is real."""
        running: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._in_executor += 1
        running.add_done_callback(self._left_executor)
        return running

    def _left_executor(self, _running: asyncio.Future[Any]) -> None:
        self._in_executor -= 1

    async def shutdown_default_executor(self, *args: Any, **more: Any) -> None:
        """As asyncio does, in real time."""
        with self.world_awaited():
            await super().shutdown_default_executor(*args, **more)

    @contextlib.contextmanager
    def world_awaited(self) -> Iterator[None]:
        """For as long as something is awaited of which the loop cannot know that a thread does it."""
        self._in_executor += 1
        try:
            yield
        finally:
            self._in_executor -= 1

    # --- The network ---

    async def create_connection(  # type: ignore[override]  # asyncio has many overloads.
        self, protocol_factory: MakeProtocol, host: Any = None, port: Any = None, **more: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """To a server of this network in memory, to any other as asyncio does."""
        sock = more.get("sock")
        if sock is not None and sock.fileno() in self._dialled:
            port = self._dialled.pop(sock.fileno())
            sock.close()
        elif not self.network.has(host, port):
            return await super().create_connection(protocol_factory, host, port, **more)
        await asyncio.sleep(0)  # Nobody is connected before they have let go of the loop.
        return self.network.connect(protocol_factory, port)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Of a socket that its owner makes a connection of later (`sock=…`)."""
        if self.network.has(*address[:2]):
            self._dialled[sock.fileno()] = address[1]
        else:
            await super().sock_connect(sock, address)

    async def create_server(  # type: ignore[override]  # As above.
        self, protocol_factory: MakeProtocol, host: Any = None, port: Any = None, **more: Any
    ) -> asyncio.AbstractServer:
        """Of this network, where a `Listener` of it is given or no port of the real one is named."""
        sock = more.get("sock")
        if isinstance(sock, Listener):
            return self.network.listen(protocol_factory, sock)
        if sock is None and port == 0 and host in {"127.0.0.1", "localhost"}:
            return self.network.listen(protocol_factory, self.network.listener())
        if sock is None and self.network.has(host, port):
            return self.network.listen(protocol_factory, self.network.listener(port))
        return await super().create_server(protocol_factory, host, port, **more)
