"""Something asynchronous that runs beside a plain test: in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")

STARTS_WITHIN_S = 20.0


@contextlib.contextmanager
def beside(context: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enters it there, and leaves it there at the end."""
    entered: list[T] = []
    has_entered, is_done = threading.Event(), threading.Event()

    async def live() -> None:
        async with context as value:
            entered.append(value)
            has_entered.set()
            await asyncio.to_thread(is_done.wait)

    def run() -> None:
        try:
            asyncio.run(live())
        finally:
            has_entered.set()

    thread = threading.Thread(target=run, name="beside")
    thread.start()
    try:
        assert has_entered.wait(STARTS_WITHIN_S)
        assert entered, "it has failed to start"
        yield entered[0]
    finally:
        is_done.set()
        thread.join(STARTS_WITHIN_S)
    assert not thread.is_alive()
