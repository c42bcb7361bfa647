"""Several streams of live events as one: those of all workers of a service. The shell of `attaching.py`."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from callbridge.cli.calls.attaching import (
    Attaching,
    Begun,
    BrokeOff,
    Event,
    Finish,
    Open,
    Say,
    TimePassed,
)
from callbridge.cli.control_client import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.observe.feed import FeedItem

WAITING_MAX: Final = 100
"""Events that wait here for whoever reads them. Beyond that the service has them wait, and says when it is
too many: a terminal that is stopped fills nobody's memory."""

LOOK_S: Final = 1.0
"""After so much silence the reader is asked whether they want to wait any longer."""


@dataclass(frozen=True, slots=True)
class Item:
    """One event of a worker."""

    place: int
    event: FeedItem | None
    """None for one that only a newer version knows."""
    text: str
    """As it came."""


@dataclass(frozen=True, slots=True)
class Met:
    """A process is followed, whose name this is."""

    process: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has come for a moment."""


Told: TypeAlias = Item | Met | Say | Quiet
Read: TypeAlias = "Callable[[Open, Callable[[Item | Met | Event], None]], Event]"
"""Reads one stream to its end, in a thread of its own, and answers how it ended."""


def merged(places: int, read: Read) -> Iterator[Told]:
    """The events of all, as they come, until nothing more can come; and what becomes of the workers.

    Raises:
        ServiceError: nobody could be asked, or somebody was lost for good.
    """
    attaching, news = Attaching(places), queue.Queue[Item | Met | Event](WAITING_MAX)
    due = deque(attaching.handle(Begun(), time.monotonic()))
    while True:
        while due:
            match due.popleft():
                case Open() as opened:
                    # Daemons: who stops reading does not wait for the next event of each worker.
                    threading.Thread(target=_read, args=(read, opened, news.put), daemon=True).start()
                case Say() as said:
                    yield said
                case Finish(fault):
                    if fault is not None:
                        raise fault
                    return
        told = _next(news, attaching.deadline)
        if isinstance(told, Item | Met | Quiet):
            yield told
        else:
            due += attaching.handle(told, time.monotonic())
            if isinstance(told, TimePassed):
                yield Quiet()


def _next(news: queue.Queue[Item | Met | Event], deadline: float | None) -> Item | Met | Event | Quiet:
    left_s = LOOK_S if deadline is None else max(0.0, min(LOOK_S, deadline - time.monotonic()))
    try:
        return news.get(timeout=left_s)
    except queue.Empty:
        return Quiet() if deadline is None or time.monotonic() < deadline else TimePassed()


def _read(read: Read, opened: Open, put: Callable[[Item | Met | Event], None]) -> None:
    end: Event = BrokeOff(opened.stream, NoAnswerError("What came could not be read."))
    try:
        end = read(opened, put)
    finally:
        put(end)
