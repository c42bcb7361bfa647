"""What a piece of work may not leave behind: tasks and sockets."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SETTLE_TIMEOUT_S = 20.0
"""Sockets close within a few turns of the loop; a peer that must be dropped takes a close timeout of 2 s."""

LOOKS_EVERY_S = 0.002


def open_sockets() -> int:
    """The sockets that this process holds."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # The listing's own descriptor is gone by now.
            count += str(link.readlink()).startswith("socket:")
    return count


async def until(condition: Callable[[], bool], timeout_s: float = SETTLE_TIMEOUT_S) -> bool:
    """Waits until `condition` holds; answers whether it came to hold in time.

    For what nothing tells: what the kernel, a thread or another process is at. Where something tells, a test
    waits for that.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  # See above: the one place that looks again and again.
                await asyncio.sleep(LOOKS_EVERY_S)
    return condition()


@contextlib.asynccontextmanager
async def leaves_nothing() -> AsyncIterator[None]:
    """Whatever runs inside leaves no task and no socket behind."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()

    def new_tasks() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - tasks - {asyncio.current_task()}

    yield
    assert await until(lambda: not new_tasks()), f"left behind: {new_tasks()}"
    assert await until(lambda: open_sockets() <= sockets), f"{open_sockets() - sockets} sockets left behind"
