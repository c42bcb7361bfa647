"""Several streams of events as one: those of all workers of a service."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from callbridge.cli.control_client import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")


def merged(streams: Sequence[Iterable[T]]) -> Iterator[T]:
    """The events of all, as they come, until the last stream has ended.

    A worker that cannot be asked any more keeps nobody from hearing the others.

    Raises:
        ServiceError: none of them could be read to its end.
    """
    if len(streams) == 1:
        yield from streams[0]
        return
    news: queue.SimpleQueue[T | _Ended] = queue.SimpleQueue()
    for stream in streams:
        # Daemons: who stops reading does not wait for the next event of each worker.
        threading.Thread(target=_read, args=(stream, news.put), daemon=True).start()
    ends: list[_Ended] = []
    while len(ends) < len(streams):
        event = news.get()
        if isinstance(event, _Ended):
            ends.append(event)
        else:
            yield event
    errors = [end.error for end in ends if end.error is not None]
    if len(errors) == len(ends):
        raise errors[0]


class _Ended:
    """Nothing more comes of a stream."""

    def __init__(self, error: ServiceError | None) -> None:
        self.error = error


def _read(stream: Iterable[T], put: Callable[[T | _Ended], None]) -> None:
    error: ServiceError | None = None
    try:
        for event in stream:
            put(event)
    except ServiceError as fault:
        error = fault
    finally:
        put(_Ended(error))
