"""What waits to be written, in order and within a bound.

A batch that is being written counts as waiting until it is done: it comes back if the file cannot take it.
No thread, no lock: whoever uses it from two threads holds a lock.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from callbridge.state.state import EVENTS_WAITING_MAX
from callbridge.state.writes import EventWrite, JournalDropped, Journaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.writes import Write


class Backlog:
    """Everything that was told and is not written, each under the number of its arrival."""

    def __init__(
        self,
        waiting_max: int = EVENTS_WAITING_MAX,
        is_urgent: Callable[[Write], bool] = lambda write: not isinstance(write, Journaled | JournalDropped),
    ) -> None:
        self._waiting_max, self._cannot_wait = waiting_max, is_urgent
        self._waiting: dict[int, Write] = {}
        self._records: deque[int] = deque()
        """Numbers of the waiting rows of the journal that may be shed, oldest first."""
        self._details: deque[int] = deque()
        """The same of the memory details, which are shed when none of those is left."""
        self._urgent = 0
        """How many of those that wait cannot wait for others."""
        self._in_flight: dict[int, Write] = {}
        self._told = 0
        self.shed = 0
        """Memory details that were lost."""
        self.records_shed = 0
        """Rows of the journal that were lost."""

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._waiting)

    def __repr__(self) -> str:
        return f"<Backlog waiting={len(self._waiting)} in_flight={len(self._in_flight)} shed={self.shed}>"

    @property
    def told(self) -> int:
        """The number of what came last."""
        return self._told

    @property
    def writes(self) -> tuple[Write, ...]:
        """All of it, in order."""
        return (*self._in_flight.values(), *self._waiting.values())

    @property
    def is_urgent(self) -> bool:
        """Whether something waits that cannot wait for others; what is on its way to the records can."""
        return self._urgent > 0

    def put(self, write: Write) -> None:
        """Adds `write`; at the bound the oldest that may be shed makes room, which may be this one."""
        self._told += 1
        self._waiting[self._told] = write
        self._look_at(self._told, write)
        self._shed_beyond_the_bound()

    def take(self, at_most: int | None = None) -> dict[int, Write]:
        """What waits, or so many of it, the oldest, as one batch by number.

        `done` or `put_back` must follow before the next.
        """
        assert not self._in_flight
        for number in list(islice(self._waiting, at_most)):
            write = self._in_flight[number] = self._waiting.pop(number)
            self._urgent -= self._cannot_wait(write)
        for numbers in (self._details, self._records):
            while numbers and numbers[0] in self._in_flight:
                numbers.popleft()
        return dict(self._in_flight)

    def done(self) -> None:
        """The batch is written."""
        self._in_flight = {}

    def put_back(self) -> None:
        """The batch is not written: it waits again, before what came since."""
        batch, self._in_flight = self._in_flight, {}
        self._waiting = batch | self._waiting
        records, details = self._records, self._details
        self._records, self._details = deque(), deque()
        for number, write in batch.items():
            self._look_at(number, write)
        self._records += records
        self._details += details
        self._shed_beyond_the_bound()

    def is_written_through(self, number: int) -> bool:
        """Whether nothing waits that came as `number` or before."""
        oldest = next(iter(self._in_flight or self._waiting), None)
        return oldest is None or oldest > number

    def _look_at(self, number: int, write: Write) -> None:
        self._urgent += self._cannot_wait(write)
        if isinstance(write, EventWrite) and write.is_detail:
            self._details.append(number)
        elif isinstance(write, Journaled) and not write.entry.is_essential:
            self._records.append(number)

    def _shed_beyond_the_bound(self) -> None:
        while len(self._waiting) > self._waiting_max and (self._records or self._details):
            if self._records:
                del self._waiting[self._records.popleft()]
                self.records_shed += 1
            else:
                self._urgent -= self._cannot_wait(self._waiting.pop(self._details.popleft()))
                self.shed += 1
