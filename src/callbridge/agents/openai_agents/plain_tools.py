"""Threads for the SDK's plain tools: it runs them in asyncio's own pool, which has a handful.

The look-up of the model's address needs that pool, and a process waits for its threads before it ends: a few
tools that hang would cost every call. So each plain tool has a thread of its own, as with our own agents.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from callbridge.agents.tools.threads import THREADS_MAX

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

_RUNS_TOOL: Final = ContextVar("callbridge_runs_tool_of_sdk", default=False)

_SERVED: Final[WeakSet[asyncio.AbstractEventLoop]] = WeakSet()


@contextlib.contextmanager
def tool_runs(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """What is given to the loop's pool in here is a tool of the SDK."""
    if loop not in _SERVED:
        loop.set_default_executor(ApartPool())
        _SERVED.add(loop)
    token = _RUNS_TOOL.set(True)
    try:
        yield
    finally:
        _RUNS_TOOL.reset(token)


class ApartPool(ThreadPoolExecutor):
    """asyncio's usual pool, but for tools of the SDK."""

    def __init__(self, tools_max: int = THREADS_MAX) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._places = threading.BoundedSemaphore(tools_max)

    def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """See `Executor`. Raises RuntimeError when as many tools run as may, those that hang included."""
        if not _RUNS_TOOL.get():
            return super().submit(function, *args, **more)
        if not self._places.acquire(blocking=False):
            raise RuntimeError("too many plain tools run at the moment; this one was not run")
        ended: Future[Any] = Future()

        def work() -> None:
            try:
                if ended.set_running_or_notify_cancel():
                    ended.set_result(function(*args, **more))
            except BaseException as error:  # noqa: BLE001  # Handed on to who waits.
                ended.set_exception(error)
            finally:
                self._places.release()

        threading.Thread(target=work, name="tool of the Agents SDK", daemon=True).start()
        return ended
