"""Which streams of live events are read: of each worker one, and the next one where it is replaced or lost.

Pure: (event, now) in, actions out. Threads and connections are in `merging.py`.

A *place* is an address at which a worker is asked, 0 to N - 1; a *stream* is one connection to it, with a
name of its own. A worker that is replaced says so: it is read to its end, and beside it its successor, who
answers at the same place from then on. Of one that breaks off the successor is awaited there for a while.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.cli.control_client import ServiceError

BACK_WITHIN_S: Final = 90.0
"""A worker starts within a minute, after a rest of half a minute at the most (`switchboard/workers.py`)."""

PAUSE_S: Final = 0.5
"""Between two tries to reach it."""


# What is told.


@dataclass(frozen=True, slots=True)
class Begun:
    """All are to be followed."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """Somebody answers."""

    stream: int
    is_leaving: bool = False
    """Whether another one has taken their place already."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """The worker is replaced: who asks anew in its place is answered by its successor."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is told, and that was said; or it was refused."""

    stream: int
    refusal: ServiceError | None = None


@dataclass(frozen=True, slots=True)
class BrokeOff:
    """Nothing more comes, and nobody has said why; or nobody answered."""

    stream: int
    error: ServiceError
    nobody_listens: bool = False
    """Nor is there anybody who could answer later, such as a supervisor whose worker has only begun."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline may have come."""


Event: TypeAlias = Begun | Greeted | Leaves | Ended | BrokeOff | TimePassed


# What is asked for.


@dataclass(frozen=True, slots=True)
class Open:
    """Read what is told there."""

    stream: int
    place: int
    is_again: bool = False
    """Somebody was read there before: whoever leaves is not meant."""


class News(enum.StrEnum):
    """What the reader is told."""

    REPLACED = "replaced"
    """The successor is followed, too."""
    LOST = "lost"
    """Somebody is awaited there."""
    BACK = "back"
    """Somebody is there again, and followed."""
    GIVEN_UP = "given up"
    """Nobody came."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say what has become of a place."""

    news: News
    place: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing more will come."""

    fault: ServiceError | None


Action: TypeAlias = Open | Say | Finish


@dataclass(slots=True)
class _Stream:
    place: int
    is_again: bool
    was_greeted: bool = False
    leaves: bool = False


@dataclass(slots=True)
class _Awaited:
    """Of one place: somebody is to answer there again."""

    why: News
    until: float
    try_at: float | None = None
    """When; nothing while it is being tried."""


@dataclass(slots=True)
class Attaching:
    """The decisions. Times are in seconds on any clock that never runs backwards."""

    places: int

    _streams: dict[int, _Stream] = field(default_factory=dict, init=False)
    _awaited: dict[int, _Awaited] = field(default_factory=dict, init=False)
    _names: int = field(default=0, init=False)
    _went_well: bool = field(default=False, init=False)
    """Somebody was read to their end."""
    _never_there: ServiceError | None = field(default=None, init=False)
    _given_up: ServiceError | None = field(default=None, init=False)

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due; nothing while only an event changes anything."""
        due = [one.try_at for one in self._awaited.values() if one.try_at is not None]
        return min(due, default=None)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do now, in order."""
        actions = list(self._told(event, now))
        if not self._streams and not self._awaited:
            actions.append(Finish(self._given_up or (None if self._went_well else self._never_there)))
        return actions

    def _told(self, event: Event, now: float) -> Iterator[Action]:
        match event:
            case Begun():
                for place in range(self.places):
                    yield self._open(place)
            case Greeted(name, is_leaving):
                yield from self._greeted(self._streams[name], is_leaving=is_leaving)
            case Leaves(name):
                yield from self._leaves(self._streams[name], now)
            case Ended(name, refusal):
                self._ended(self._streams.pop(name), refusal)
            case BrokeOff(name, error, nobody_listens):
                stream = self._streams.pop(name)
                if stream.leaves:
                    self._went_well = True  # Its successor is followed, and the others: they have its calls.
                elif self._was_never_there(stream, nobody_listens=nobody_listens):
                    self._never_there = self._never_there or error
                else:
                    yield from self._broke_off(stream.place, error, now)
            case TimePassed():
                yield from self._try_again(now)
            case _:
                assert_never(event)

    def _open(self, place: int, *, is_again: bool = False) -> Open:
        self._names += 1
        self._streams[self._names] = _Stream(place, is_again)
        return Open(self._names, place, is_again)

    def _greeted(self, stream: _Stream, *, is_leaving: bool) -> Iterator[Action]:
        stream.was_greeted, stream.leaves = True, is_leaving
        awaited = self._awaited.pop(stream.place, None) if stream.is_again else None
        if awaited is not None:
            yield Say(News.REPLACED if awaited.why is News.REPLACED else News.BACK, stream.place)

    def _leaves(self, stream: _Stream, now: float) -> Iterator[Action]:
        if not stream.leaves:
            stream.leaves = True
            self._awaited[stream.place] = _Awaited(News.REPLACED, now + BACK_WITHIN_S)
            yield self._open(stream.place, is_again=True)

    def _ended(self, stream: _Stream, refusal: ServiceError | None) -> None:
        if stream.is_again:
            self._awaited.pop(stream.place, None)
        if refusal is None:
            self._went_well = True
        elif stream.is_again:
            self._given_up = refusal
        else:
            self._never_there = self._never_there or refusal

    def _was_never_there(self, stream: _Stream, *, nobody_listens: bool) -> bool:
        """Whether it is no loss: whoever is alone and does not answer at first is told of at once."""
        return not stream.was_greeted and not stream.is_again and (nobody_listens or self.places == 1)

    def _broke_off(self, place: int, error: ServiceError, now: float) -> Iterator[Action]:
        awaited = self._awaited.get(place)
        if awaited is None:
            awaited = self._awaited[place] = _Awaited(News.LOST, now + BACK_WITHIN_S)
            yield Say(News.LOST, place)
        if now < awaited.until:
            awaited.try_at = now + PAUSE_S
            return
        del self._awaited[place]
        self._given_up = error
        yield Say(News.GIVEN_UP, place)

    def _try_again(self, now: float) -> Iterator[Action]:
        for place, awaited in self._awaited.items():
            if awaited.try_at is not None and now >= awaited.try_at:
                awaited.try_at = None
                yield self._open(place, is_again=True)
