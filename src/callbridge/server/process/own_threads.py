"""Threads for what blocks and is no call's business: apart from asyncio's own pool, which is a handful.

The look-up of the model's address needs that pool: a database that does not answer must not take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from callbridge.agents.tools.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

AFTER_CALLS: Final = Threads(8)
"""For the organs that look after calls that are over. Each of these waits for one at a time."""


async def in_thread(threads: Threads, function: Callable[[], T], name: str) -> T:
    """Runs `function` in a thread of its own; what it raises is raised here.

    Raises:
        ThreadsBusy: as many run as may.
    """

    def run() -> T | _Raised:
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - handed on to who waits
            return _Raised(error)

    found = await threads.start(run, name)
    if isinstance(found, _Raised):
        raise found.error
    return found


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception
