"""How the process stops: the decisions by tables and properties, the timer and the log on a real loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callbridge.server import drain as decided
from callbridge.server.drain import (
    ACTION_S,
    HAND_OVER_S,
    PROMISED_S,
    Announce,
    AskToHandOver,
    CallsCounted,
    Drain,
    Draining,
    Event,
    Stage,
    Stop,
)
from callbridge.server.live_calls import LiveCalls
from desks import LiveCall

DRAIN_S = 240.0
SIGNAL, DRAIN = decided.StopSignalled(), decided.DrainAsked()
TIME, PROMISE = decided.TimePassed(), decided.StreamPromised()


def live(number: int) -> CallsCounted:
    return CallsCounted(number)


def after(*events: tuple[float, Event]) -> Draining:
    """A drain that was told these, each at its time."""
    draining = Draining(DRAIN_S)
    for now, event in events:
        draining.handle(event, now)
    return draining


# --- The stages -----------------------------------------------------------------------------------


SIGNALLED: list[tuple[float, Event]] = [(0, live(1)), (10, SIGNAL)]
LEFT_EMPTY = [*SIGNALLED, (20, live(0))]
TWICE = [*SIGNALLED, (11, SIGNAL)]
DRAINED: list[tuple[float, Event]] = [(0, live(1)), (5, DRAIN)]
PROMISED: list[tuple[float, Event]] = [(0, PROMISE), (1, SIGNAL)]
TIMELINES: dict[str, tuple[list[tuple[float, Event]], Stage, float | None]] = {
    "nothing": ([], Stage.SERVING, None),
    "calls alone": ([(0, live(3)), (1, TIME)], Stage.SERVING, None),
    "a signal without calls": ([(0, SIGNAL)], Stage.STOPPED, None),
    "a signal with a call": (SIGNALLED, Stage.DRAINING, 250),
    "one call ends": ([(0, live(2)), (10, SIGNAL), (20, live(1))], Stage.DRAINING, 250),
    "its action is due": (LEFT_EMPTY, Stage.DRAINING, 23),
    "not yet asked": ([*LEFT_EMPTY, (22.9, TIME)], Stage.DRAINING, 23),
    "no call is left": ([*LEFT_EMPTY, (23, TIME)], Stage.STOPPED, None),
    "the phone came back": ([*LEFT_EMPTY, (21, live(1)), (23, TIME)], Stage.DRAINING, 250),
    "time is not up": ([*SIGNALLED, (249, TIME)], Stage.DRAINING, 250),
    "time is up": ([*SIGNALLED, (250, TIME)], Stage.HANDING_OVER, 262),
    "two signals": (TWICE, Stage.HANDING_OVER, 23),
    "three signals": ([*TWICE, (12, SIGNAL)], Stage.STOPPED, None),
    "all handed over, their actions are due": ([*TWICE, (13, live(0))], Stage.HANDING_OVER, 16),
    "all handed over": ([*TWICE, (13, live(0)), (16, TIME)], Stage.STOPPED, None),
    "one would not go": ([*TWICE, (23, TIME)], Stage.STOPPED, None),
    "a drain without calls stays": ([(0, DRAIN)], Stage.DRAINING, None),
    "a drain has no end": ([*DRAINED, (9999, TIME)], Stage.DRAINING, None),
    "nor does it exit": ([*DRAINED, (6, live(0))], Stage.DRAINING, None),
    "two drains are one": ([*DRAINED, (6, DRAIN)], Stage.DRAINING, None),
    "a signal after an empty drain": ([(0, DRAIN), (5, SIGNAL)], Stage.STOPPED, None),
    "a signal after a drain": ([*DRAINED, (100, SIGNAL)], Stage.DRAINING, 340),
    "drain after signal": ([*SIGNALLED, (11, DRAIN)], Stage.DRAINING, 250),
    "a promised stream is waited for": (PROMISED, Stage.DRAINING, 5),
    "it never came": ([*PROMISED, (5, TIME)], Stage.STOPPED, None),
    "it came": ([*PROMISED, (2, live(1)), (5, TIME)], Stage.DRAINING, 241),
    "it is long past": ([(0, PROMISE), (5, SIGNAL)], Stage.STOPPED, None),
}


@pytest.mark.parametrize(("told", "stage", "deadline"), TIMELINES.values(), ids=TIMELINES)
def test_stage_and_deadline(told: list[tuple[float, Event]], stage: Stage, deadline: float | None) -> None:
    draining = after(*told)
    assert (draining.stage, draining.deadline) == (stage, deadline)


def test_every_stage_is_announced_with_its_calls_and_its_longest_time() -> None:
    draining = after((0, live(2)))
    assert draining.handle(SIGNAL, 10) == [Announce(Stage.DRAINING, 2, DRAIN_S)]
    assert draining.handle(live(1), 20) == []
    assert draining.handle(TIME, 250) == [Announce(Stage.HANDING_OVER, 1, HAND_OVER_S), AskToHandOver()]
    assert draining.handle(TIME, 262) == [Announce(Stage.STOPPED, 1, 0), Stop()]
    assert draining.handle(SIGNAL, 263) == []
    began = Announce(Stage.DRAINING, 0, DRAIN_S)
    assert Draining(DRAIN_S).handle(SIGNAL, 10) == [began, Announce(Stage.STOPPED, 0, 0), Stop()]
    # A drain by command has no end of its own.
    assert after((0, live(1))).handle(DRAIN, 1) == [Announce(Stage.DRAINING, 1, None)]


def test_no_time_to_drain_hands_over_at_once() -> None:
    draining = Draining(0)
    draining.handle(live(1), 0)
    assert AskToHandOver() in draining.handle(SIGNAL, 1)
    assert draining.stage is Stage.HANDING_OVER


def test_promises_cannot_keep_the_process() -> None:
    draining = after((0, live(1)), (0, SIGNAL), (0, SIGNAL), (1, live(0)))
    now = 1.0
    while draining.deadline is not None:
        draining.handle(PROMISE, now)
        now += 1
        draining.handle(TIME, now)
    assert now <= HAND_OVER_S + ACTION_S


EVENTS = st.one_of(
    st.sampled_from([SIGNAL, DRAIN, TIME, PROMISE]), st.builds(CallsCounted, st.integers(0, 3))
)


@given(st.lists(st.tuples(st.floats(0, 100), EVENTS), max_size=30), st.floats(0, 300))
def test_stages_only_go_on_and_a_signal_always_ends(steps: list[tuple[float, Event]], drain_s: float) -> None:
    """No stage is taken back; after a signal the process is gone within the three bounds together."""
    draining, now = Draining(drain_s), 0.0
    order = list(Stage)
    asked = stopped = 0
    for wait_s, event in steps:
        now += wait_s
        before = draining.stage
        actions = draining.handle(event, now)
        assert order.index(draining.stage) >= order.index(before)
        asked += actions.count(AskToHandOver())
        stopped += actions.count(Stop())
    signalled_at = now
    draining.handle(SIGNAL, now)
    while (deadline := draining.deadline) is not None:
        assert deadline > now
        now = deadline
        draining.handle(TIME, now)
    assert draining.stage is Stage.STOPPED
    assert now <= signalled_at + drain_s + HAND_OVER_S + ACTION_S + 1e-6
    assert asked <= 1
    assert stopped <= 1


@given(st.lists(st.tuples(st.floats(0, 100), EVENTS.filter(lambda event: event != SIGNAL)), max_size=30))
def test_without_a_signal_it_never_stops(steps: list[tuple[float, Event]]) -> None:
    draining, now = Draining(DRAIN_S), 0.0
    for wait_s, event in steps:
        now += wait_s
        assert Stop() not in draining.handle(event, now)
        assert draining.deadline is None


def test_a_promise_outlasts_the_action_of_another_call() -> None:
    draining = after((0, live(1)), (0, SIGNAL), (1, PROMISE), (2, live(0)))
    assert draining.deadline == 1 + PROMISED_S > 2 + ACTION_S


# --- The shell ------------------------------------------------------------------------------------


@dataclass
class Call(LiveCall):
    """A call that ends when it is asked to hand over."""

    calls: LiveCalls = field(default_factory=LiveCalls)
    is_willing: bool = True

    def hand_over(self) -> None:
        super().hand_over()
        if self.is_willing:
            self.calls.remove("CA1", self)


def with_a_call(
    drain_s: float, hand_over_s: float = HAND_OVER_S, is_willing: bool = True
) -> tuple[Drain, Call]:
    call = Call(is_willing=is_willing)
    drain = Drain(call.calls, drain_s, hand_over_s=hand_over_s)
    call.calls.add("CA1", call)
    return drain, call


async def stopped(drain: Drain) -> None:
    async with asyncio.timeout(10):
        await drain.run_until_stopped()


async def test_shell_stops_at_once_without_calls() -> None:
    drain = Drain(LiveCalls(), DRAIN_S)
    assert drain.reason_not_ready() is None
    with structlog.testing.capture_logs() as logs:
        drain.signalled()
    await stopped(drain)
    assert [(line["event"], line["live_calls"]) for line in logs] == [("draining", 0), ("stopped", 0)]
    assert drain.reason_not_ready() == "draining"
    assert repr(drain) == "<Drain stage=stopped live=0>"


async def test_shell_hands_over_when_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer does it by itself; the last action is waited for."""
    monkeypatch.setattr("callbridge.server.drain.ACTION_S", 0.05)
    drain, call = with_a_call(drain_s=0.05)
    with structlog.testing.capture_logs() as logs:
        drain.signalled()
        assert drain.stage is Stage.DRAINING
        await stopped(drain)
    assert call.told == ["hand over"]
    assert [(line["event"], line["live_calls"]) for line in logs] == [
        ("draining", 1),
        ("handing_over", 1),
        ("stopped", 0),
    ]


async def test_shell_gives_up_on_a_call_that_does_not_hand_over() -> None:
    drain, call = with_a_call(drain_s=DRAIN_S, hand_over_s=0.05, is_willing=False)
    drain.signalled()
    drain.signalled()
    await stopped(drain)
    assert call.told == ["hand over"]
    assert len(call.calls) == 1


async def test_shell_drained_by_command_waits_for_a_signal() -> None:
    drain, call = with_a_call(DRAIN_S)
    drain.begin()
    drain.begin()
    assert drain.reason_not_ready() == "draining"
    call.calls.remove("CA1", call)
    assert drain.stage is Stage.DRAINING
    drain.signalled()
    await stopped(drain)
    assert call.told == []


async def test_shell_waits_for_a_promised_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbridge.server.drain.PROMISED_S", 0.1)
    drain = Drain(LiveCalls(), DRAIN_S)
    loop = asyncio.get_running_loop()
    promised_at = loop.time()
    drain.stream_promised()
    drain.signalled()
    assert drain.stage is Stage.DRAINING
    await stopped(drain)
    assert loop.time() >= promised_at + 0.1


async def test_shell_leaves_no_timer_when_it_is_cancelled() -> None:
    """A server that fails takes its drain down with it."""
    drain, call = with_a_call(drain_s=0.02)
    drain.signalled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await drain.run_until_stopped()
    await asyncio.sleep(0.05)  # A timer that was set later, for later: by then its own would have gone off.
    assert call.told == []
