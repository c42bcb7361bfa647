"""The loop of a test: when its clock jumps, when it goes with the real one, and its network of memory."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from callbridge.testing.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

GRACE_S = 0.05
LATE_S = 0.03
"""So much longer a slow thread takes."""


def run(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """What comes of it in a virtual loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace_s=GRACE_S)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(make(loop))


# --- Time -------------------------------------------------------------------------------------------


def test_an_hour_takes_no_time_and_is_an_hour() -> None:
    async def sleep(loop: VirtualLoop) -> float:
        began_at = loop.time()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return loop.time() - began_at

    began_at = time.monotonic()
    assert run(sleep) == pytest.approx(3600, abs=1e-6)
    assert time.monotonic() - began_at < 1


def test_timers_come_in_their_order_each_at_its_moment() -> None:
    async def note(loop: VirtualLoop) -> list[float]:
        came: list[float] = []
        began_at = loop.time()
        for delay_s in (0.3, 0.1, 0.2):
            loop.call_later(delay_s, lambda: came.append(round(loop.time() - began_at, 6)))
        await asyncio.sleep(1)
        return came

    assert run(note) == [0.1, 0.2, 0.3]


def test_a_thread_that_is_soon_done_costs_no_time() -> None:
    async def ask(loop: VirtualLoop) -> tuple[float, bool]:
        began_at = loop.time()
        asyncio.get_running_loop().call_later(0.001, lambda: None)  # It is not what the clock jumps to.
        answer = await asyncio.to_thread(threading.Event().wait, GRACE_S / 10)
        return loop.time() - began_at, answer

    assert run(ask) == (0, False)


def test_with_a_thread_that_takes_longer_the_clock_goes() -> None:
    async def ask(loop: VirtualLoop) -> float:
        began_at = loop.time()
        await asyncio.to_thread(time.sleep, GRACE_S + LATE_S)
        return loop.time() - began_at

    began_at = time.monotonic()
    assert LATE_S / 2 < run(ask) < time.monotonic() - began_at


def test_a_timeout_ends_the_wait_for_a_thread() -> None:
    let_go = threading.Event()

    async def ask(loop: VirtualLoop) -> float:
        began_at = loop.time()
        try:
            async with asyncio.timeout(LATE_S):
                await asyncio.to_thread(let_go.wait, 10)
        except TimeoutError:
            return loop.time() - began_at
        finally:
            let_go.set()
        raise AssertionError("it came back")

    assert run(ask) == pytest.approx(LATE_S, abs=0.01)


def test_a_thread_may_call_at_any_time() -> None:
    async def wait(loop: VirtualLoop) -> bool:
        called = asyncio.Event()
        threading.Timer(0.05, loop.call_soon_threadsafe, [called.set]).start()
        return await called.wait()  # Nothing else is left to wait for.

    assert run(wait)


def test_while_a_descriptor_is_read_time_is_real() -> None:
    near, far = socket.socketpair()

    async def read(loop: VirtualLoop) -> tuple[bytes, float]:
        near.setblocking(False)
        began_at = loop.time()
        threading.Timer(GRACE_S + LATE_S, far.send, [b"late"]).start()
        return await loop.sock_recv(near, 10), loop.time() - began_at

    began_at = time.monotonic()
    with near, far:
        data, took_s = run(read)
    assert data == b"late"
    assert LATE_S / 2 < took_s < time.monotonic() - began_at


# --- Network ----------------------------------------------------------------------------------------


async def server(loop: VirtualLoop, answer: Callable[..., Coroutine[Any, Any, None]]) -> int:
    """Serves by streams; its port."""
    started = await asyncio.start_server(answer, "127.0.0.1", 0)
    return int(started.sockets[0].getsockname()[1])


def test_what_is_written_comes_in_order_and_at_once() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(7):
            writer.write(data)
        writer.close()

    async def talk(loop: VirtualLoop) -> tuple[bytes, float]:
        began_at = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", await server(loop, echo))
        for word in (b"one ", b"two ", b"three"):
            writer.write(word)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer, loop.time() - began_at

    assert run(talk) == (b"one two three", 0)


def test_a_reader_that_takes_nothing_makes_the_writer_wait() -> None:
    taken = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await taken.wait()
        while await reader.read(65536):
            pass
        writer.close()

    async def write(loop: VirtualLoop) -> tuple[bool, int]:
        _, writer = await asyncio.open_connection("127.0.0.1", await server(loop, slow))
        writer.write(bytes(1_000_000))
        draining = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(5)
        has_waited = not draining.done()
        taken.set()
        await draining
        await asyncio.sleep(0.1)
        left = writer.transport.get_write_buffer_size()
        writer.close()
        await asyncio.sleep(0.1)
        return has_waited, left

    assert run(write) == (True, 0)


def test_who_writes_to_a_closed_connection_learns_of_it() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def write(loop: VirtualLoop) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", await server(loop, hang_up))
        rest = await reader.read()
        writer.write(b"anybody there?")
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        writer.close()
        return rest

    assert run(write) == b""


def test_nobody_listens() -> None:
    async def connect(loop: VirtualLoop) -> None:
        gone = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = gone.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own has them, too.
        gone.close()
        await asyncio.open_connection("127.0.0.1", port)

    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        run(connect)


def say(listener: socket.socket, data: bytes) -> None:
    """To the first who comes."""
    peer, _ = listener.accept()
    with peer:
        peer.sendall(data)


def test_the_real_network_is_there_as_well() -> None:
    async def connect(loop: VirtualLoop) -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=say, args=(listener, b"real")).start()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            said = await reader.readexactly(4)
            writer.close()
            await writer.wait_closed()
            return said

    assert run(connect) == b"real"
