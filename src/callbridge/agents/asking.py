"""Asks a function of the user's for a value: it may block, hang or fail, and keeps no other call waiting.

A plain function runs in a thread, because it will ask a database sooner or later; an async one on a leash.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.tools.leash import Leash
from callbridge.agents.tools.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ASKED: Final = Threads()
"""Apart from those of tools: what hangs here must not stop the calls that are on."""


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception | SystemExit


async def answer_of(
    function: Callable[..., Any], given: Mapping[str, Any], timeout_s: float, threads: Threads = ASKED
) -> Any:
    """What `function` answers.

    Args:
        function: the user's; what it answers with may have to be awaited.
        given: what it is called with.
        timeout_s: what it has; twice that, where it blocks before it awaits something.
        threads: where a plain one runs.

    Raises:
        TimeoutError: it took longer.
        ThreadsBusy: as many plain functions run as may.
        Exception: whatever it raises; or SystemExit.
    """
    if inspect.iscoroutinefunction(function):
        return await _in_time(lambda: function(**given), timeout_s)
    ended = threads.start(lambda: _outcome(function, given), getattr(function, "__name__", "asked"))
    await asyncio.wait({ended}, timeout=timeout_s)
    if not ended.done():
        raise TimeoutError
    answer = _judged(ended.result())
    return await _in_time(lambda: answer, timeout_s) if inspect.isawaitable(answer) else answer


def _outcome(function: Callable[..., Any], given: Mapping[str, Any]) -> object:
    try:
        return function(**given)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # Raised again on the loop.
        return _Raised(error)


def _judged(outcome: object) -> Any:
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


async def _in_time(work: Callable[[], Awaitable[Any]], timeout_s: float) -> Any:
    """Awaits what the user wrote; what does not end in time is cancelled, then closed."""

    async def awaited() -> Any:
        return await work()

    leash = Leash(awaited)

    async def held() -> object:
        try:
            return await leash
        except (Exception, SystemExit) as error:  # noqa: BLE001  # Raised again below, and not in a group.
            return _Raised(error)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(held(), name="asked")
        try:
            await asyncio.wait({running}, timeout=timeout_s)
        finally:
            is_late = not running.done()
            if is_late:
                leash.end()
    if is_late or running.cancelled():
        raise TimeoutError
    return _judged(running.result())
