"""Who was turned away: the first of a kind gets a line at once, the rest a count a minute."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import structlog

from callbridge.observe.first_of_kind import COUNT_EVERY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.observe.first_of_kind import FirstOfKind

_log = structlog.get_logger()


def tell_first(
    refused: FirstOfKind, now: float, kind: str, write: Callable[..., object], event: str, **fields: object
) -> None:
    """One more of `kind`: a line about it, and about those that no line has told, where one is due.

    `write` is the log's method for the level of the line.
    """
    count = refused.take(kind, now)
    if count is not None:
        write(event, **fields, count=count)


async def count_refusals(refused: FirstOfKind, now: Callable[[], float]) -> NoReturn:
    """Tells the counts for as long as it runs: also of a flood that has ended."""
    while True:
        await asyncio.sleep(COUNT_EVERY_S)
        tell_counts(refused, now())


def tell_counts(refused: FirstOfKind, now: float) -> None:
    """A line for each kind of which no line has told in the last minute how many more there were."""
    for kind, count in refused.rest(now):
        _log.warning("refused", kind=kind, count=count)
