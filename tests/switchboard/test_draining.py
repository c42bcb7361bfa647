"""The decisions of a drain, by tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.switchboard import draining as decided
from callbridge.switchboard.draining import Announce, AskToHandOver, Draining, DrainStep, Stop

DRAIN_S = 240.0
SIGNAL, DRAIN = decided.StopSignalled(), decided.DrainAsked()
UNDO, BROKEN = decided.DrainUndone(), decided.Broken()
TIME, PROMISE = decided.TimePassed(), decided.StreamPromised()


def live(number: int) -> decided.CallsCounted:
    return decided.CallsCounted(number)


def after(*events: tuple[float, decided.Event]) -> Draining:
    """A drain that was told these, each at its time."""
    draining = Draining(DRAIN_S)
    for now, event in events:
        draining.handle(event, now)
    return draining


SIGNALLED: list[tuple[float, decided.Event]] = [(0, live(1)), (10, SIGNAL)]
LEFT_EMPTY = [*SIGNALLED, (20, live(0))]
TWICE = [*SIGNALLED, (11, SIGNAL)]
DRAINED: list[tuple[float, decided.Event]] = [(0, live(1)), (5, DRAIN)]
PROMISED: list[tuple[float, decided.Event]] = [(0, PROMISE), (1, SIGNAL)]
TIMELINES: dict[str, tuple[list[tuple[float, decided.Event]], DrainStep, float | None]] = {
    "nothing": ([], DrainStep.SERVING, None),
    "calls alone": ([(0, live(3)), (1, TIME)], DrainStep.SERVING, None),
    "a signal without calls": ([(0, SIGNAL)], DrainStep.STOPPED, None),
    "a signal with a call": (SIGNALLED, DrainStep.DRAINING, 250),
    "one call ends": ([(0, live(2)), (10, SIGNAL), (20, live(1))], DrainStep.DRAINING, 250),
    "its action is due": (LEFT_EMPTY, DrainStep.DRAINING, 23),
    "not yet asked": ([*LEFT_EMPTY, (22.9, TIME)], DrainStep.DRAINING, 23),
    "no call is left": ([*LEFT_EMPTY, (23, TIME)], DrainStep.STOPPED, None),
    "the phone came back": ([*LEFT_EMPTY, (21, live(1)), (23, TIME)], DrainStep.DRAINING, 250),
    "time is not up": ([*SIGNALLED, (249, TIME)], DrainStep.DRAINING, 250),
    "time is up": ([*SIGNALLED, (250, TIME)], DrainStep.HANDING_OVER, 262),
    "two signals": (TWICE, DrainStep.HANDING_OVER, 23),
    "three signals": ([*TWICE, (12, SIGNAL)], DrainStep.STOPPED, None),
    "all handed over, their actions are due": ([*TWICE, (13, live(0))], DrainStep.HANDING_OVER, 16),
    "all handed over": ([*TWICE, (13, live(0)), (16, TIME)], DrainStep.STOPPED, None),
    "one would not go": ([*TWICE, (23, TIME)], DrainStep.STOPPED, None),
    "a drain without calls stays": ([(0, DRAIN)], DrainStep.DRAINING, None),
    "a drain has no end": ([*DRAINED, (9999, TIME)], DrainStep.DRAINING, None),
    "nor does it exit": ([*DRAINED, (6, live(0))], DrainStep.DRAINING, None),
    "two drains are one": ([*DRAINED, (6, DRAIN)], DrainStep.DRAINING, None),
    "a signal after an empty drain": ([(0, DRAIN), (5, SIGNAL)], DrainStep.STOPPED, None),
    "a signal after a drain": ([*DRAINED, (100, SIGNAL)], DrainStep.DRAINING, 340),
    "drain after signal": ([*SIGNALLED, (11, DRAIN)], DrainStep.DRAINING, 250),
    "a drain is undone": ([*DRAINED, (6, UNDO)], DrainStep.SERVING, None),
    "and begins anew": ([*DRAINED, (6, UNDO), (7, DRAIN)], DrainStep.DRAINING, None),
    "a signal is not undone": ([*SIGNALLED, (11, UNDO)], DrainStep.DRAINING, 250),
    "nothing is undone": ([(0, UNDO)], DrainStep.SERVING, None),
    "what is broken hands over": ([(0, live(1)), (10, BROKEN)], DrainStep.HANDING_OVER, 22),
    "what is broken stops without calls": ([(10, BROKEN)], DrainStep.STOPPED, None),
    "what is broken stays so": ([(0, live(1)), (10, BROKEN), (11, UNDO)], DrainStep.HANDING_OVER, 22),
    "what breaks while it hands over": ([*TWICE, (12, BROKEN)], DrainStep.HANDING_OVER, 23),
    "a promised stream is waited for": (PROMISED, DrainStep.DRAINING, 5),
    "it never came": ([*PROMISED, (5, TIME)], DrainStep.STOPPED, None),
    "it came": ([*PROMISED, (2, live(1)), (5, TIME)], DrainStep.DRAINING, 241),
    "it outlasts the action of another call": (
        [(0, live(1)), (0, SIGNAL), (1, PROMISE), (2, live(0))],
        DrainStep.DRAINING,
        6,
    ),
    "it is long past": ([(0, PROMISE), (5, SIGNAL)], DrainStep.STOPPED, None),
}


@pytest.mark.parametrize(("told", "step", "deadline"), TIMELINES.values(), ids=TIMELINES)
def test_stage_and_deadline(
    told: list[tuple[float, decided.Event]], step: DrainStep, deadline: float | None
) -> None:
    draining = after(*told)
    assert (draining.step, draining.deadline) == (step, deadline)


def test_every_stage_is_announced_with_its_calls_and_its_longest_time() -> None:
    draining = after((0, live(2)))
    assert draining.handle(SIGNAL, 10) == [Announce(DrainStep.DRAINING, 2, DRAIN_S)]
    assert draining.handle(live(1), 20) == []
    assert draining.handle(TIME, 250) == [
        Announce(DrainStep.HANDING_OVER, 1, decided.HAND_OVER_S),
        AskToHandOver(),
    ]
    assert draining.handle(TIME, 262) == [Announce(DrainStep.STOPPED, 1, 0), Stop()]
    assert draining.handle(SIGNAL, 263) == []
    began = Announce(DrainStep.DRAINING, 0, DRAIN_S)
    assert Draining(DRAIN_S).handle(SIGNAL, 10) == [began, Announce(DrainStep.STOPPED, 0, 0), Stop()]
    # A drain by command has no end of its own.
    assert after((0, live(1))).handle(DRAIN, 1) == [Announce(DrainStep.DRAINING, 1, None)]


def test_no_time_to_drain_hands_over_at_once() -> None:
    draining = Draining(0)
    draining.handle(live(1), 0)
    assert AskToHandOver() in draining.handle(SIGNAL, 1)
    assert draining.step is DrainStep.HANDING_OVER


def test_promises_cannot_keep_the_process() -> None:
    draining = after((0, live(1)), (0, SIGNAL), (0, SIGNAL), (1, live(0)))
    now = 1.0
    while draining.deadline is not None:
        draining.handle(PROMISE, now)
        now += 1
        draining.handle(TIME, now)
    assert now <= decided.HAND_OVER_S + decided.ACTION_S


EVENTS = st.one_of(
    st.sampled_from([SIGNAL, DRAIN, TIME, PROMISE]), st.builds(decided.CallsCounted, st.integers(0, 3))
)


@given(st.lists(st.tuples(st.floats(0, 100), EVENTS.filter(lambda event: event != SIGNAL)), max_size=30))
def test_without_a_signal_it_never_stops(steps: list[tuple[float, decided.Event]]) -> None:
    draining, now = Draining(DRAIN_S), 0.0
    for wait_s, event in steps:
        now += wait_s
        assert Stop() not in draining.handle(event, now)
        assert draining.deadline is None


@given(st.lists(st.tuples(st.floats(0, 100), EVENTS), max_size=30), st.floats(0, 300))
def test_stages_only_go_on_and_a_signal_always_ends(
    steps: list[tuple[float, decided.Event]], drain_s: float
) -> None:
    """No step is taken back; after a signal the process is gone within the three bounds together."""
    draining, now = Draining(drain_s), 0.0
    order = list(DrainStep)
    asked = stopped = 0
    for wait_s, event in steps:
        now += wait_s
        before = draining.step
        actions = draining.handle(event, now)
        assert order.index(draining.step) >= order.index(before)
        asked += actions.count(AskToHandOver())
        stopped += actions.count(Stop())
    signalled_at = now
    draining.handle(SIGNAL, now)
    while (deadline := draining.deadline) is not None:
        assert deadline > now
        now = deadline
        draining.handle(TIME, now)
    assert draining.step is DrainStep.STOPPED
    assert now <= signalled_at + drain_s + decided.HAND_OVER_S + decided.ACTION_S + 1e-6
    assert asked <= 1
    assert stopped <= 1
