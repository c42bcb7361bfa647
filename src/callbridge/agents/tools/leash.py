"""Awaits a user's coroutine so that it ends: one that will not be cancelled is closed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

TIDY_UP_S: Final = 1.0
"""What a cancelled tool has for its `finally`: to give a connection back takes milliseconds."""


class Leash:
    """`await leash` is `await work()`, in the same task, until that is to end.

    A task whose coroutine swallows its cancellation runs on, and whoever waits for it, waits with it.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self._is_forced = False
        self._timer: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """Cancels the work; if that has not ended it by then, it is closed after `TIDY_UP_S`."""
        if self._task is None:
            self._is_forced = True  # It is not begun, and will not be.
        elif not self._task.done():
            self._task.cancel()
            self._timer = asyncio.get_running_loop().call_later(TIDY_UP_S, self._force)

    def _force(self) -> None:
        assert self._task is not None, "it has begun"
        self._is_forced = True
        self._task.cancel()

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._is_forced:
            raise asyncio.CancelledError
        self._task = asyncio.current_task()
        try:
            return (yield from self._drive(self._work()))
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _drive(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = work.send
        said: Any = None
        while True:
            try:
                awaited = step(said)
            except StopIteration as stop:
                return stop.value
            try:
                said, step = (yield awaited), work.send
            except BaseException as error:  # Handed on to where the work waits.
                if self._is_forced:
                    _close(work)
                    raise
                said, step = error, work.throw


def _close(work: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(RuntimeError):  # It awaits even so. Nobody drives it any more.
        work.close()
