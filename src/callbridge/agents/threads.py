"""A thread for each call of a plain function, so that one that hangs takes nothing from anybody.

asyncio's own pool has a handful of threads: as many hung tools would keep every other tool, and the look-up
of the model's address, waiting, and the process would not end before they do. These threads are daemons.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def run_in_own_thread(function: Callable[[], object], name: str) -> object:
    """What `function` answers or raises. A cancelled wait leaves the thread to itself."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: object, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def work() -> None:
        result: object = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except StopIteration as stop:
            error = RuntimeError(f"the function raised {stop!r}")  # A future refuses this one exception.
        except Exception as raised:  # noqa: BLE001  # Handed to whoever waits, as if called here.
            error = raised
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await outcome
