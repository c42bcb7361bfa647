"""What the supervisor decides, by tables; and what holds whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.switchboard import workers as decided
from callbridge.switchboard.workers import (
    ENDS_WITHIN_S,
    FAILED_STARTS_MAX,
    READY_WITHIN_S,
    REST_MAX_S,
    STEADY_S,
    Action,
    Begun,
    Event,
    Exited,
    Finish,
    Hung,
    Kill,
    News,
    Ready,
    RestartAsked,
    Start,
    StopAsked,
    Tell,
    TellLeave,
    TellStop,
    TimePassed,
    Workers,
)

DRAIN_S = 240.0
RESTART, STOP, TIME = RestartAsked(), StopAsked(), TimePassed()


@dataclass
class World:
    """A supervisor's decisions, and the time."""

    workers: Workers
    now: float = 100.0

    def tell(self, *events: Event, after_s: float = 0.0) -> list[Action]:
        self.now += after_s
        return [action for event in events for action in self.workers.handle(event, self.now)]


def begun(count: int = 2) -> World:
    """All of them serve: the first is 1, its number 0."""
    world = World(Workers(count, DRAIN_S))
    assert world.tell(Begun()) == [Start(1, 0)]
    assert world.tell(Ready(1)) == [Start(name, name - 1) for name in range(2, count + 1)]
    assert world.tell(*map(Ready, range(2, count + 1))) == []
    assert (world.workers.serving, world.workers.deadline) == (count, None)
    return world


@pytest.mark.parametrize(("status", "exit_status"), [(1, 1), (78, 78), (-9, 1), (0, 1)])
def test_what_keeps_the_first_from_starting_keeps_all(status: int, exit_status: int) -> None:
    """It is said once, nobody is started again, and its exit status is passed on."""
    world = World(Workers(4, DRAIN_S))
    world.tell(Begun())
    assert world.tell(Exited(1, status)) == [Tell(News.GIVEN_UP, 0, status), Finish(exit_status)]
    assert world.tell(TIME, RESTART, STOP, after_s=99) == []


def test_a_start_has_an_end() -> None:
    world = World(Workers(2, DRAIN_S))
    world.tell(Begun())
    assert world.workers.deadline == 100 + READY_WITHIN_S
    assert world.tell(TIME, after_s=READY_WITHIN_S - 1) == []
    assert world.tell(TIME, TIME, after_s=1) == [Tell(News.NOT_READY, 0), Kill(1)]
    assert world.tell(Exited(1, -9))[-1] == Finish(1)


def test_one_that_dies_is_replaced_at_once() -> None:
    world = begun()
    assert world.tell(Exited(2, -9)) == [Tell(News.DIED, 1, -9, 0.0), Start(3, 1)]
    assert world.tell(Ready(3)) == []
    assert world.workers.serving == 2


def test_one_that_hangs_is_killed_once_and_replaced() -> None:
    world = begun()
    assert world.tell(Hung(2), Hung(2), Hung(9)) == [Tell(News.HUNG, 1), Kill(2)]
    assert world.tell(Exited(2, -9)) == [Tell(News.DIED, 1, -9, 0.0), Start(3, 1)]


def test_one_that_dies_again_and_again_is_started_after_longer_rests() -> None:
    """As long as another one serves, for ever; and once it has served a while, at once again."""
    world, rests, name = begun(), [], 2
    for _ in range(9):
        (told, *started) = world.tell(Exited(name, 1))
        assert isinstance(told, Tell)
        assert told.again_in_s is not None
        rests.append(told.again_in_s)
        if told.again_in_s:
            assert started == []
            assert world.workers.deadline == world.now + told.again_in_s
            started = world.tell(TIME, after_s=told.again_in_s)
        name += 1
        assert started == [Start(name, 1)]
    assert rests == [0, 1, 2, 4, 8, 16, REST_MAX_S, REST_MAX_S, REST_MAX_S]
    world.tell(Ready(name))
    world.tell(TIME, after_s=STEADY_S)
    assert world.tell(Exited(name, 1))[0] == Tell(News.DIED, 1, 1, 0.0)


def test_when_nobody_serves_and_nobody_starts_it_is_given_up() -> None:
    """Whoever runs the service must see it end: it would decline everybody for ever."""
    world = begun(1)
    world.tell(Exited(1, 70))
    told: list[Action] = []
    for name in range(2, 2 + FAILED_STARTS_MAX):
        world.tell(TIME, after_s=REST_MAX_S)
        told = world.tell(Exited(name, 3))
    assert told == [Tell(News.GIVEN_UP, 0, 3), Finish(3)]


def test_all_are_replaced_one_after_the_other() -> None:
    """A new one serves before an old one leaves, and the next is not begun before that one is gone."""
    world = begun()
    assert world.tell(RESTART) == [Start(3, 0)]
    assert world.tell(Ready(3)) == [TellLeave(1)]
    assert world.workers.deadline == world.now + DRAIN_S + ENDS_WITHIN_S
    assert world.tell(TIME, after_s=DRAIN_S) == []
    assert world.tell(Exited(1, 0)) == [Start(4, 1)]
    assert world.tell(Ready(4)) == [TellLeave(2)]
    assert world.tell(Exited(2, 0)) == [Tell(News.RESTARTED)]
    assert world.workers.serving == 2


def test_one_that_does_not_leave_is_killed() -> None:
    world = begun()
    world.tell(RESTART, Ready(3))
    killed = world.tell(TIME, after_s=DRAIN_S + ENDS_WITHIN_S)
    assert killed == [Tell(News.OVERDUE, 0), Kill(1)]
    assert world.tell(Exited(1, -9)) == [Start(4, 1)]


def test_a_new_one_that_does_not_start_ends_the_restart() -> None:
    """With code or settings that are wrong the old ones go on, all of them."""
    world = begun()
    world.tell(RESTART)
    assert world.tell(Exited(3, 1)) == [Tell(News.RESTART_GIVEN_UP, 0, 1)]
    assert (world.workers.serving, world.tell(TIME, after_s=999)) == (2, [])
    assert world.tell(RESTART) == [Start(4, 0)], "once it is mended"


def test_asked_again_while_it_restarts_all_are_replaced_that_were_there_before() -> None:
    world = begun()
    world.tell(RESTART, Ready(3))
    assert world.tell(RESTART) == []
    assert world.tell(Exited(1, 0)) == [Start(4, 0)], "the new one is old by now"
    assert world.tell(Ready(4), Exited(3, 0)) == [TellLeave(3), Start(5, 1)]
    assert world.tell(Ready(5), Exited(2, 0)) == [TellLeave(2), Tell(News.RESTARTED)]


def test_an_old_one_that_dies_meanwhile_is_replaced_by_the_one_that_is_coming() -> None:
    world = begun()
    world.tell(RESTART)
    assert world.tell(Exited(1, -9)) == [Tell(News.DIED, 0, -9, None)]
    assert world.tell(Ready(3)) == [Start(4, 1)]
    world = begun()
    world.tell(RESTART, Exited(1, -9))
    assert world.tell(Exited(3, -9))[-1] == Tell(News.DIED, 0, -9, 1.0)


def test_what_was_mended_is_tried_at_once() -> None:
    world = begun()
    world.tell(Exited(2, 1), Exited(3, 1))
    assert world.tell(RESTART) == [Start(4, 1)]
    assert world.tell(Ready(4)) == [Start(5, 0)]


def test_a_stop_passes_what_signals_mean_and_waits_for_all() -> None:
    world = begun()
    assert world.tell(STOP) == [TellStop(1, 1), TellStop(2, 1)]
    assert world.workers.deadline == world.now + DRAIN_S + ENDS_WITHIN_S
    assert world.tell(Exited(1, 0)) == []
    assert world.tell(STOP) == [TellStop(2, 2)]
    assert world.workers.deadline == world.now + ENDS_WITHIN_S
    assert world.tell(STOP) == [TellStop(2, 3)]
    assert world.tell(STOP, STOP) == [Kill(2)]
    assert world.tell(Exited(2, -9)) == [Finish(0)]


def test_a_stop_reaches_those_who_leave_or_come() -> None:
    """One that is still to start drains as soon as it can hear of it, or is killed."""
    world = begun()
    world.tell(RESTART, Ready(3), Exited(1, 0))
    assert world.tell(STOP) == [TellStop(2, 1), TellStop(3, 1), TellStop(4, 1)]
    assert world.tell(Ready(4)) == []
    world = begun()
    world.tell(Exited(2, 1))
    world.tell(STOP, Exited(3, 0))
    assert world.tell(Exited(1, 0)) == [Finish(0)]


@dataclass
class Machine:
    """What happens to workers, as a test draws it; the processes do what they are told, or do not."""

    count: int
    world: World = field(init=False)
    alive: dict[int, int] = field(default_factory=dict)
    """The number of each."""
    serving: set[int] = field(default_factory=set)
    leaving: set[int] = field(default_factory=set)
    starts: list[float] = field(default_factory=list)
    is_stopping: bool = False
    status: int | None = None

    def __post_init__(self) -> None:
        self.world = World(Workers(self.count, DRAIN_S))
        self.take(self.world.tell(Begun()))

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.status is None, "nothing is done after the end"
            match action:
                case Start(name, number):
                    assert not self.is_stopping
                    assert name not in self.alive
                    assert list(self.alive.values()).count(number) <= 1
                    self.alive[name] = number
                    self.starts.append(self.world.now)
                case TellLeave(name):
                    assert self.alive[name] in {self.alive[other] for other in self.serving - {name}}
                    assert not self.leaving & self.alive.keys(), "one after the other"
                    self.serving.discard(name)
                    self.leaving.add(name)
                case TellStop(name) | Kill(name):
                    assert name in self.alive
                case Finish(status):
                    assert not self.alive
                    self.status = status
                case Tell(news):
                    self.is_stopping |= news is News.GIVEN_UP
        assert self.world.workers.serving <= self.count + 1

    def step(self, what: str, which: int, after_s: float) -> None:
        names = sorted(self.alive)
        name = names[which % len(names)] if names else 0
        event: Event = TIME
        if what == "ready" and name and name not in self.serving | self.leaving:
            event = Ready(name)
            if not self.is_stopping:
                self.serving.add(name)
        elif what in {"dies", "ends"} and name:
            event = Exited(name, -9 if what == "dies" else 0)
            del self.alive[name]
            self.serving.discard(name)
            self.leaving.discard(name)
        elif what == "restart":
            event = RESTART
        elif what == "stop":
            event, self.is_stopping = STOP, True
        self.take(self.world.tell(event, after_s=after_s))


STEPS = st.tuples(
    st.sampled_from(["ready", "ready", "ready", "dies", "ends", "restart", "time", "stop"]),
    st.integers(0, 7),
    st.sampled_from([0.0, 0.1, 5.0, 45.0, 400.0]),
)


@given(st.integers(1, 4), st.lists(STEPS, max_size=60))
def test_whatever_happens(count: int, steps: list[tuple[str, int, float]]) -> None:
    """At most one leaves, a new one before it; no storm of starts; who stops starts nobody, and ends."""
    machine = Machine(count)
    for what, which, after_s in steps:
        machine.step(what, which, after_s)
        if machine.status is not None:
            break
    deaths = sum(what in {"dies", "ends"} for what, _, _ in steps)
    restarts = sum(what == "restart" for what, _, _ in steps)
    assert len(machine.starts) <= count + deaths + restarts * count + count
    while machine.alive:  # Whoever is left is served well, and then told to stop.
        machine.step("stop", 0, 0.0)
        machine.step("ends", 0, 0.0)
    machine.step("time", 0, 0.0)
    if not machine.is_stopping:
        machine.step("stop", 0, 0.0)
    assert machine.status is not None
    assert decided.rest(99) == REST_MAX_S
