"""Runs what a test asks for in an event loop of its own, beside the one in which the test itself may run.

A loop whose clock jumps can carry nothing but the call. So it has a thread, which is gone when the call is,
takes the context variables along, and hands back what was raised, whatever that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from callbridge.agents.tools.threads import THREADS
from callbridge.testing.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")

ONE_AT_A_TIME: Final = threading.Lock()
"""A call has the logging of its process to itself. Others wait, in their threads."""


def run(make: Callable[[], Coroutine[Any, Any, T]], *, is_virtual: bool) -> T:
    """Runs a coroutine to its end in a loop of its own, in this thread.

    Raises:
        RuntimeError: this thread runs a loop already.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("an event loop runs in this thread: write `await line.call(…)` there")
    with ONE_AT_A_TIME, asyncio.Runner(loop_factory=new_loop if is_virtual else None) as runner:
        return runner.run(make())


async def run_beside(make: Callable[[], Coroutine[Any, Any, T]], *, is_virtual: bool) -> T:
    """The same in a thread of its own, awaited here. Who stops waiting ends it, and is let go when it has."""
    beside = _Beside(make, is_virtual=is_virtual)
    try:
        return await asyncio.shield(beside.ended)
    except asyncio.CancelledError:
        beside.cancel()
        with contextlib.suppress(BaseException):  # It was to end; how it did is no news.
            await beside.ended
        raise
    finally:
        beside.thread.join()


def new_loop() -> VirtualLoop:
    """A loop whose clock goes by real time only while a tool, or something of the real world, is awaited."""
    return VirtualLoop(lambda: THREADS.running > 0)


class _Beside(Generic[T]):
    """A coroutine in a thread."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], *, is_virtual: bool) -> None:
        self._outer = asyncio.get_running_loop()
        self.ended: asyncio.Future[T] = self._outer.create_future()
        self._make, self._is_virtual = make, is_virtual
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Task[T]] | None = None
        self._is_cancelled = False
        context = contextvars.copy_context()
        self.thread = threading.Thread(
            target=context.run, args=(self._work,), name="callbridge call of a test", daemon=True
        )
        self.thread.start()

    def cancel(self) -> None:
        """Ends it; a coroutine that has not begun does not begin."""
        self._is_cancelled = True
        if self._inner is not None:
            loop, task = self._inner
            with contextlib.suppress(RuntimeError):  # It has ended in this very moment.
                loop.call_soon_threadsafe(task.cancel)

    def _work(self) -> None:
        try:
            result = run(self._body, is_virtual=self._is_virtual)
        except BaseException as error:  # noqa: BLE001  # Whatever it is, it is the test's.
            self._outer.call_soon_threadsafe(self._failed, error)
        else:
            self._outer.call_soon_threadsafe(self.ended.set_result, result)

    async def _body(self) -> T:
        task = asyncio.current_task()
        assert task is not None, "a runner makes one"
        self._inner = asyncio.get_running_loop(), task
        if self._is_cancelled:
            raise asyncio.CancelledError
        return await self._make()

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.ended.cancel()
        else:
            self.ended.set_exception(error)
