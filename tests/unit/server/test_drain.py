"""How the process stops: the decisions by tables and properties, the timer and the log on a real loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callbridge.server.drain import (
    ACTION_S,
    HAND_OVER_S,
    PROMISED_S,
    Announce,
    AskToHandOver,
    CallsCounted,
    Drain,
    DrainAsked,
    Draining,
    Event,
    Stage,
    Stop,
    StopSignalled,
    StreamPromised,
    TimePassed,
)
from callbridge.server.live_calls import LiveCalls

DRAIN_S = 240.0
SIGNAL, DRAIN, TIME, PROMISE = StopSignalled(), DrainAsked(), TimePassed(), StreamPromised()


def live(number: int) -> CallsCounted:
    return CallsCounted(number)


def after(*events: tuple[float, Event]) -> Draining:
    """A drain that was told these, each at its time."""
    draining = Draining(DRAIN_S)
    for now, event in events:
        draining.handle(event, now)
    return draining


# --- The stages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "stage", "deadline"),
    [
        pytest.param([], Stage.SERVING, None, id="nothing"),
        pytest.param([(0, live(3)), (1, TIME)], Stage.SERVING, None, id="calls alone"),
        pytest.param([(0, SIGNAL)], Stage.STOPPED, None, id="a signal without calls"),
        pytest.param([(0, live(1)), (10, SIGNAL)], Stage.DRAINING, 250, id="a signal with a call"),
        pytest.param([(0, live(2)), (10, SIGNAL), (20, live(1))], Stage.DRAINING, 250, id="one call ends"),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (20, live(0))], Stage.DRAINING, 23, id="its action is due"
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (20, live(0)), (22.9, TIME)], Stage.DRAINING, 23, id="not yet asked"
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (20, live(0)), (23, TIME)], Stage.STOPPED, None, id="no call is left"
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (20, live(0)), (21, live(1)), (23, TIME)],
            Stage.DRAINING,
            250,
            id="the phone came back",
        ),
        pytest.param([(0, live(1)), (10, SIGNAL), (249, TIME)], Stage.DRAINING, 250, id="time is not up"),
        pytest.param([(0, live(1)), (10, SIGNAL), (250, TIME)], Stage.HANDING_OVER, 262, id="time is up"),
        pytest.param([(0, live(1)), (10, SIGNAL), (11, SIGNAL)], Stage.HANDING_OVER, 23, id="two signals"),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (11, SIGNAL), (12, SIGNAL)], Stage.STOPPED, None, id="three signals"
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (11, SIGNAL), (13, live(0))],
            Stage.HANDING_OVER,
            16,
            id="all handed over, their actions are due",
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (11, SIGNAL), (13, live(0)), (16, TIME)],
            Stage.STOPPED,
            None,
            id="all handed over",
        ),
        pytest.param(
            [(0, live(1)), (10, SIGNAL), (11, SIGNAL), (23, TIME)], Stage.STOPPED, None, id="one would not go"
        ),
        pytest.param([(0, DRAIN)], Stage.DRAINING, None, id="a drain without calls stays"),
        pytest.param([(0, live(1)), (5, DRAIN), (9999, TIME)], Stage.DRAINING, None, id="a drain has no end"),
        pytest.param([(0, live(1)), (5, DRAIN), (6, live(0))], Stage.DRAINING, None, id="nor does it exit"),
        pytest.param([(0, live(1)), (5, DRAIN), (6, DRAIN)], Stage.DRAINING, None, id="two drains are one"),
        pytest.param([(0, DRAIN), (5, SIGNAL)], Stage.STOPPED, None, id="a signal after an empty drain"),
        pytest.param(
            [(0, live(1)), (5, DRAIN), (100, SIGNAL)], Stage.DRAINING, 340, id="a signal after a drain"
        ),
        pytest.param([(0, live(1)), (5, SIGNAL), (6, DRAIN)], Stage.DRAINING, 245, id="drain after signal"),
        pytest.param([(0, PROMISE), (1, SIGNAL)], Stage.DRAINING, 5, id="a promised stream is waited for"),
        pytest.param([(0, PROMISE), (1, SIGNAL), (5, TIME)], Stage.STOPPED, None, id="it never came"),
        pytest.param(
            [(0, PROMISE), (1, SIGNAL), (2, live(1)), (5, TIME)], Stage.DRAINING, 241, id="it came"
        ),
        pytest.param([(0, PROMISE), (5, SIGNAL)], Stage.STOPPED, None, id="it is long past"),
    ],
)  # fmt: skip
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


def test_without_calls_a_signal_goes_through_all_at_once() -> None:
    assert Draining(DRAIN_S).handle(SIGNAL, 10) == [
        Announce(Stage.DRAINING, 0, DRAIN_S),
        Announce(Stage.STOPPED, 0, 0),
        Stop(),
    ]


def test_a_drain_by_command_has_no_end_of_its_own() -> None:
    assert after((0, live(1))).handle(DRAIN, 1) == [Announce(Stage.DRAINING, 1, None)]


def test_no_time_to_drain_hands_over_at_once() -> None:
    draining = Draining(0)
    draining.handle(live(1), 0)
    assert AskToHandOver() in draining.handle(SIGNAL, 1)
    assert draining.stage is Stage.HANDING_OVER


def test_promises_cannot_keep_the_process() -> None:
    """Without a live call it ends, however often a stream was promised."""
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
    """Both are waited for; the later one counts."""
    draining = after((0, live(1)), (0, SIGNAL), (1, PROMISE), (2, live(0)))
    assert draining.deadline == 1 + PROMISED_S > 2 + ACTION_S


# --- The shell ------------------------------------------------------------------------------------


@dataclass
class Call:
    """A call that ends when it is asked to hand over."""

    calls: LiveCalls
    asked: list[str] = field(default_factory=list)
    is_willing: bool = True

    def hand_over(self) -> None:
        self.asked.append("hand over")
        if self.is_willing:
            self.calls.remove("CA1", self)

    def phone_replaced(self) -> None:
        raise AssertionError("nothing replaces it here")


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
    calls = LiveCalls()
    drain, call = Drain(calls, drain_s=0.05), Call(calls)
    calls.add("CA1", call)
    with structlog.testing.capture_logs() as logs:
        drain.signalled()
        assert drain.stage is Stage.DRAINING
        await stopped(drain)
    assert call.asked == ["hand over"]
    assert [(line["event"], line["live_calls"]) for line in logs] == [
        ("draining", 1),
        ("handing_over", 1),
        ("stopped", 0),
    ]


async def test_shell_gives_up_on_a_call_that_does_not_hand_over() -> None:
    calls = LiveCalls()
    drain, call = Drain(calls, drain_s=DRAIN_S, hand_over_s=0.05), Call(calls, is_willing=False)
    calls.add("CA1", call)
    drain.signalled()
    drain.signalled()
    await stopped(drain)
    assert call.asked == ["hand over"]
    assert len(calls) == 1


async def test_shell_drained_by_command_waits_for_a_signal() -> None:
    calls = LiveCalls()
    drain, call = Drain(calls, DRAIN_S), Call(calls)
    calls.add("CA1", call)
    drain.begin()
    drain.begin()
    assert drain.reason_not_ready() == "draining"
    calls.remove("CA1", call)
    assert drain.stage is Stage.DRAINING
    drain.signalled()
    await stopped(drain)
    assert call.asked == []


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
    calls = LiveCalls()
    drain, call = Drain(calls, drain_s=0.02), Call(calls)
    calls.add("CA1", call)
    drain.signalled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await drain.run_until_stopped()
    await asyncio.sleep(0.05)  # A timer that was set later, for later: by then its own would have gone off.
    assert call.asked == []
