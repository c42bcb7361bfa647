"""The threads of plain tools: each run has one of its own, and there are never more than `THREADS_MAX`.

asyncio's own pool has a handful of threads: as many hung tools would keep every other tool, and the look-up
of the model's address, waiting, and the process would not end before they do. These threads are daemons. One
that hangs cannot be ended: it keeps its place among those that may run until it ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

THREADS_MAX: Final = 32
"""Plain tools that run at once in this process, those that hang included. A waiting thread costs some 100 KB
and no time; eight calls, each with as many hung tools as it may have (4), fill it."""


class ThreadsBusy(Exception):  # noqa: N818  # Not an error: it is told to the model as it is.
    """As many run as may."""


class Threads:
    """The threads of one process. For its event loop alone: no lock."""

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._threads_max = threads_max
        self.running = 0
        """How many run, those that hang included."""

    def start(self, function: Callable[[], T], name: str) -> asyncio.Future[T]:
        """Runs `function`, which must not raise, in a thread. The future is done when the thread is.

        Raises:
            ThreadsBusy: as many run as may, or as the machine has.
        """
        if self.running >= self._threads_max:
            raise ThreadsBusy
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def settle(result: T) -> None:
            self.running -= 1
            if not ended.done():
                ended.set_result(result)

        def work() -> None:
            result = context.run(function)
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(settle, result)

        try:
            threading.Thread(target=work, name=name, daemon=True).start()
        except RuntimeError as error:
            raise ThreadsBusy from error
        self.running += 1
        return ended


THREADS: Final = Threads()
"""Those of this process."""
