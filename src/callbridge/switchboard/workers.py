"""Which workers of one machine run: when one is started, replaced, told to leave, killed, given up.

Pure: (event, now) in, actions out. Processes, signals and the clock are in
`server/process/listening/supervising.py`.

A *number* is a place among the workers, 0 to N - 1; a *worker* is one process in it, with a name of its own
for as long as the supervisor lives. The first start is made alone: what keeps one from starting keeps all
from it, and is to be said once. After that whoever dies is replaced, at once the first time, then after
longer and longer rests. All are replaced one after the other when that is asked for: the new one serves
before the old one leaves, and the next is not begun before the old one is gone.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_WITHIN_S: Final = 60.0
"""A worker listens after two seconds; an agent of a user's may take its time to be loaded."""

ENDS_WITHIN_S: Final = 60.0
"""Beyond the time that calls are given: 12 s to hand over, 3 in which Twilio asks, 10 for the ends of calls,
20 for recordings, and some for a slow disk."""

STEADY_S: Final = 60.0
"""A worker that has served for so long was no failed start."""

REST_FIRST_S: Final = 1.0
REST_MAX_S: Final = 30.0
"""Before a worker is started whose forerunners have failed twice, and at the most."""

FAILED_STARTS_MAX: Final = 5
"""So many in a row, and nobody serves: whoever runs the service is to know."""

FAILED: Final = 1
"""The exit status for a worker that was killed: it has none of its own."""

STOPS_MAX: Final = 3
"""Drain, hand over, stop. Who asks once more has them killed."""


# What is told.


@dataclass(frozen=True, slots=True)
class Begun:
    """The supervisor listens."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker serves."""

    worker: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker is gone, by a signal where the status is below 0; or could not be started at all."""

    worker: int
    status: int


@dataclass(frozen=True, slots=True)
class Hung:
    """The event loop of a worker has not run for too long (`heartbeats.py`)."""

    worker: int


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """All are to be replaced, one after the other: with new code, with new settings."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """SIGTERM or SIGINT: the first drains, the second hands over, the third stops, the fourth kills."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline may have come."""


Event: TypeAlias = Begun | Ready | Exited | Hung | RestartAsked | StopAsked | TimePassed


# What is asked for.


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker in this place."""

    worker: int
    number: int


@dataclass(frozen=True, slots=True)
class TellLeave:
    """Tell a worker to drain and go: the others go on, and take what comes."""

    worker: int


@dataclass(frozen=True, slots=True)
class TellStop:
    """Tell a worker what a signal tells a process that is alone: to drain (1), hand over (2), stop (3)."""

    worker: int
    step: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a worker that does not do what it should."""

    worker: int


class News(enum.StrEnum):
    """What an operator is told."""

    DIED = "worker_died"
    """Nobody has asked it to go."""
    NOT_READY = "worker_not_ready"
    """It took too long to start, and is killed."""
    HUNG = "worker_hung"
    """Its event loop does not run any more, and it is killed."""
    OVERDUE = "worker_overdue"
    """It took too long to go, and is killed."""
    RESTARTED = "workers_restarted"
    """All are new."""
    RESTART_GIVEN_UP = "restart_given_up"
    """The new one does not start: the old ones go on."""
    GIVEN_UP = "workers_given_up"
    """Nobody serves, and nobody can be started."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say what has happened."""

    news: News
    number: int | None = None
    status: int | None = None
    again_in_s: float | None = None
    """When another one is started in its place."""


@dataclass(frozen=True, slots=True)
class Finish:
    """No worker is left: exit with this status."""

    status: int


Action: TypeAlias = Start | TellLeave | TellStop | Kill | Tell | Finish


class _Stage(enum.Enum):
    STARTING = enum.auto()
    SERVING = enum.auto()
    GOING = enum.auto()


@dataclass(slots=True)
class _Worker:
    name: int
    number: int
    generation: int
    stage: _Stage
    since: float
    """When its stage began."""
    overdue_at: float
    """When it is killed; of one that serves, never."""
    is_killed: bool = False


@dataclass(slots=True)
class _Place:
    """One of the N."""

    worker: int | None = None
    """Who serves there, or is to; nobody while one is awaited."""
    next_worker: int | None = None
    """Who is to take over from them."""
    failures: int = 0
    """In a row."""
    start_at: float | None = None
    """When somebody is to be started there."""


_NEVER: Final = float("inf")


@dataclass(slots=True)
class Workers:
    """The decisions. Times are in seconds on any clock that never runs backwards."""

    count: int
    leaves_within_s: float
    """How long a worker that is told to leave may have calls."""

    _places: list[_Place] = field(init=False)
    _alive: dict[int, _Worker] = field(default_factory=dict, init=False)
    _names: int = field(default=0, init=False)
    _generation: int = field(default=0, init=False)
    """Workers of an earlier one are to be replaced."""
    _has_begun: bool = field(default=False, init=False)
    """A worker has served."""
    _is_restarting: bool = field(default=False, init=False)
    _failed_starts: int = field(default=0, init=False)
    """In a row, of all."""
    _stops: int = field(default=0, init=False)
    _status: int | None = field(default=None, init=False)
    """What is exited with, once nobody is left."""
    _is_finished: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        assert self.count > 0
        assert self.leaves_within_s >= 0
        self._places = [_Place() for _ in range(self.count)]

    @property
    def serving(self) -> int:
        """How many serve."""
        return sum(worker.stage is _Stage.SERVING for worker in self._alive.values())

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due; nothing while only an event changes anything."""
        due = [worker.overdue_at for worker in self._alive.values() if not worker.is_killed]
        if self._status is None:
            due += [place.start_at for place in self._places if place.start_at is not None]
        first = min(due, default=_NEVER)
        return None if first == _NEVER else first

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do now, in order."""
        if self._is_finished:
            return []
        return [*self._told(event, now), *self._go_on(now)]

    def _told(self, event: Event, now: float) -> Iterator[Action]:
        match event:
            case Begun():
                self._places[0].start_at = now
            case Ready(name):
                yield from self._ready(name, now)
            case Exited(name, status):
                yield from self._exited(name, status, now)
            case Hung(name):
                yield from self._hung(name)
            case RestartAsked():
                self._restart(now)
            case StopAsked():
                yield from self._stop(now)
            case TimePassed():
                pass
            case _:
                assert_never(event)

    # --- One worker ---

    def _ready(self, name: int, now: float) -> Iterator[Action]:
        worker = self._alive.get(name)
        if worker is None or worker.stage is not _Stage.STARTING:
            return  # It was told to stop meanwhile.
        worker.stage, worker.since, worker.overdue_at = _Stage.SERVING, now, _NEVER
        self._failed_starts = 0
        if not self._has_begun:
            self._has_begun = True
            for place in self._places[1:]:
                place.start_at = now
        place = self._places[worker.number]
        if place.next_worker == name:
            before, place.worker, place.next_worker = place.worker, name, None
            if before is not None:
                yield self._leave(self._alive[before], now)

    def _hung(self, name: int) -> Iterator[Action]:
        worker = self._alive.get(name)
        if worker is not None and not worker.is_killed:
            yield Tell(News.HUNG, worker.number)
            yield from self._killed(worker)

    def _leave(self, worker: _Worker, now: float) -> Action:
        worker.stage, worker.since = _Stage.GOING, now
        worker.overdue_at = now + self.leaves_within_s + ENDS_WITHIN_S
        return TellLeave(worker.name)

    def _exited(self, name: int, status: int, now: float) -> Iterator[Action]:
        worker = self._alive.pop(name, None)
        if worker is None or worker.stage is _Stage.GOING or self._status is not None:
            return
        place = self._places[worker.number]
        if worker.stage is _Stage.STARTING:
            self._failed_starts += 1
        if place.next_worker == name:
            place.next_worker = None
            yield from self._give_up_restart(worker, status)
        else:
            place.worker = None
            yield from self._replace(worker, place, status, now)

    def _replace(self, worker: _Worker, place: _Place, status: int, now: float) -> Iterator[Action]:
        """Nobody is in this place any more, and nobody had asked for that."""
        served = worker.stage is _Stage.SERVING
        place.failures = 1 if served and now - worker.since >= STEADY_S else place.failures + 1
        if not self.serving and (not self._has_begun or self._failed_starts >= FAILED_STARTS_MAX):
            yield Tell(News.GIVEN_UP, worker.number, status)
            yield from self._end(status if status > 0 else FAILED, now)
            return
        rest_s = rest(place.failures)
        yield Tell(News.DIED, worker.number, status, None if place.next_worker is not None else rest_s)
        if place.next_worker is not None:  # It is on its way already.
            place.worker, place.next_worker = place.next_worker, None
        else:
            place.start_at = now + rest_s

    def _give_up_restart(self, worker: _Worker, status: int) -> Iterator[Action]:
        """What does not start now would not start in the other places either."""
        self._is_restarting = False
        for other in self._alive.values():
            other.generation = self._generation
        yield Tell(News.RESTART_GIVEN_UP, worker.number, status)

    # --- All of them ---

    def _stop(self, now: float) -> Iterator[Action]:
        self._stops += 1
        yield from self._end(0, now)

    def _end(self, status: int, now: float) -> Iterator[Action]:
        """No worker is started any more. Those that are there end, the sooner the more often it was asked."""
        if self._status is None:
            self._status = status
        step = max(1, self._stops)
        for worker in self._alive.values():
            if step > STOPS_MAX or (step > 1 and worker.stage is _Stage.STARTING):
                yield from self._killed(worker)
                continue
            within_s = ENDS_WITHIN_S + (self.leaves_within_s if step == 1 else 0.0)
            if worker.stage is not _Stage.GOING:
                worker.stage, worker.since, worker.overdue_at = _Stage.GOING, now, _NEVER
            worker.overdue_at = min(worker.overdue_at, now + within_s)
            yield TellStop(worker.name, step)

    def _killed(self, worker: _Worker) -> Iterator[Action]:
        if not worker.is_killed:
            worker.is_killed = True
            yield Kill(worker.name)

    def _go_on(self, now: float) -> Iterator[Action]:
        """What is due by itself."""
        for worker in self._alive.values():
            if now >= worker.overdue_at and not worker.is_killed:
                is_new = worker.stage is _Stage.STARTING
                yield Tell(News.NOT_READY if is_new else News.OVERDUE, worker.number)
                yield from self._killed(worker)
        if self._status is not None:
            if not self._alive:
                self._is_finished = True
                yield Finish(self._status)
            return
        for number, place in enumerate(self._places):
            if place.start_at is not None and now >= place.start_at:
                place.start_at = None
                place.worker = self._next_name()
                yield self._start(place.worker, number, now)
        yield from self._restart_next(now)

    def _restart_next(self, now: float) -> Iterator[Action]:
        """The next of those that are to be replaced, while nobody else is coming or going."""
        if not self._is_restarting or self.serving < len(self._alive) or self._is_one_awaited:
            return
        for number, place in enumerate(self._places):
            worker = None if place.worker is None else self._alive[place.worker]
            if worker is not None and worker.generation < self._generation:
                place.next_worker = self._next_name()
                yield self._start(place.next_worker, number, now)
                return
        self._is_restarting = False
        yield Tell(News.RESTARTED)

    def _restart(self, now: float) -> None:
        self._generation += 1
        self._is_restarting = True
        for place in self._places:
            if place.start_at is not None:  # What keeps it from starting may just have been mended.
                place.start_at = now

    @property
    def _is_one_awaited(self) -> bool:
        return any(place.worker is None for place in self._places)

    def _next_name(self) -> int:
        self._names += 1
        return self._names

    def _start(self, name: int, number: int, now: float) -> Action:
        self._alive[name] = _Worker(
            name, number, self._generation, _Stage.STARTING, now, now + READY_WITHIN_S
        )
        return Start(name, number)


def rest(failures: int) -> float:
    """How long is waited before a worker is started that takes the place of one that failed."""
    if failures <= 1:
        return 0.0
    return float(min(REST_MAX_S, REST_FIRST_S * 2 ** min(failures - 2, 10)))
