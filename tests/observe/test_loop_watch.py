"""The watch over the event loop: the judgement by tables, the thread with loops that are really blocked."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callbridge.observe.loop_watch import STUCK_EXIT_STATUS, LagBounds, LagJudge, LoopWatch, Step
from leftovers import until

BOUNDS = LagBounds()
ENOUGH = BOUNDS.looks_before_exit


@pytest.mark.parametrize(
    ("after_s", "lag_s"),
    [(0.0, 0.0), (0.03, 0.0), (0.05, 0.0), (0.06, 0.01), (0.149, 0.099), (0.16, 0.11), (10.05, 10.0)],
)
def test_a_beat_above_100_ms_late_is_worth_a_line(after_s: float, lag_s: float) -> None:
    assert LagJudge(BOUNDS).lag_s(100 + after_s, 100) == pytest.approx(lag_s)
    assert LagJudge(BOUNDS).beat(0 + after_s, 0) is (Step.WARN if lag_s > 0.1 else None)
    assert LagJudge(BOUNDS).beat(0.15, 0) is None


def test_at_most_one_warning_in_a_second() -> None:
    judge = LagJudge(BOUNDS)
    beats = [0, 0.3, 0.6, 0.9, 1.2, 1.5, 2.5]
    warned_at = [now for last, now in zip(beats, beats[1:], strict=False) if judge.beat(now, last)]  # noqa: RUF007 - named
    assert warned_at == [0.3, 1.5, 2.5]


@pytest.mark.parametrize(
    ("beats", "now", "is_late"),
    [
        ([], 0, False),
        ([0.2, 0.4], 0.4, False),
        ([0.2, 0.4, 0.6], 0.6, True),
        ([0.2, 0.4, 0.6], 5.2, True),
        ([0.2, 0.4, 0.6], 5.3, False),
        ([0.2, 0.4, 0.6, 5.3], 5.3, True),
        ([0.2, 0.22, 0.25, 0.28], 0.28, False),
    ],
)
def test_a_loop_is_late_after_three_late_beats_in_five_seconds(
    beats: list[float], now: float, is_late: bool
) -> None:
    judge, last_beat = LagJudge(BOUNDS), 0.0
    for beat in beats:
        judge.beat(beat, last_beat)
        last_beat = beat
    assert judge.is_late(now) is is_late


@pytest.mark.parametrize(
    ("looks", "steps"),
    [
        pytest.param([0.05, 0.5, 2.0], [None, None, None], id="below"),
        pytest.param([2.06], [Step.SHOW_STACK], id="two seconds"),
        pytest.param([2.06, 2.1, 9.9], [Step.SHOW_STACK, None, None], id="once"),
        pytest.param([60.0], [Step.SHOW_STACK], id="process was stopped"),
        pytest.param([60.0] * ENOUGH, [Step.SHOW_STACK, *[None] * (ENOUGH - 2), Step.EXIT], id="stuck"),
        pytest.param([0.1] * ENOUGH + [2.06, 10.04], [*[None] * ENOUGH, Step.SHOW_STACK, None], id="nearly"),
        pytest.param(
            [0.1] * ENOUGH + [2.06, 10.06, 11], [*[None] * ENOUGH, Step.SHOW_STACK, Step.EXIT, None], id="ten"
        ),
    ],
)  # fmt: skip
def test_what_a_stall_asks_for(looks: list[float], steps: list[Step | None]) -> None:
    judge = LagJudge(BOUNDS)
    assert [judge.look(now, 0.0) for now in looks] == steps


def test_every_stall_is_judged_anew() -> None:
    judge = LagJudge(BOUNDS)
    assert judge.look(3, 0) is Step.SHOW_STACK
    assert judge.look(4, 3.5) is None
    assert judge.look(6, 3.5) is Step.SHOW_STACK
    assert [judge.look(60, 50) for _ in range(ENOUGH - 1)] == [Step.SHOW_STACK, *[None] * (ENOUGH - 2)]


@given(st.lists(st.floats(0, 20), max_size=40), st.integers(0, 300))
def test_each_step_comes_once_and_the_exit_after_the_stack(ages: list[float], early_looks: int) -> None:
    judge = LagJudge(BOUNDS)
    steps = [judge.look(0.1, 0) for _ in range(early_looks)]
    for age in sorted(ages):
        step = judge.look(age, 0)
        steps.append(step)
        assert step is not Step.SHOW_STACK or age >= BOUNDS.stack_s
        assert step is not Step.EXIT or age >= BOUNDS.exit_s
    assert all(steps.count(step) <= 1 for step in Step)


def test_bounds_are_in_their_order() -> None:
    with pytest.raises(AssertionError):
        replace(BOUNDS, exit_s=1.0)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("loop-watch")]


async def beats(watch: LoopWatch, number: int) -> None:
    """Lets the heart beat `number` times more."""
    target = watch.lags.count + number
    assert await until(lambda: watch.lags.count >= target)


async def test_a_blocked_loop_is_told_once_it_goes_on() -> None:
    """By its own clock, which goes while the loop is blocked and at no other time."""
    now = [1000.0]
    with structlog.testing.capture_logs() as logs:
        async with LoopWatch(clock=lambda: now[0], has_last_resort=False) as watch:
            await beats(watch, 1)
            late = []
            for _ in range(3):
                now[0] += 0.25
                await beats(watch, 1)
                late.append(watch.is_late)
    assert late == [False, False, True]  # Once is not again and again.
    (line, *_) = [line for line in logs if line["event"] == "loop_lagged"]
    assert line["log_level"] == "warning"
    assert 100 < line["lag_ms"] <= watch.lags.max_ms + 1
    assert watch.lags.max_ms >= 190


async def test_who_asks_is_told_of_a_lag_with_its_stack() -> None:
    """Once it is over. Of one that was short there is no stack."""
    told: list[tuple[float, str]] = []
    bounds = LagBounds(beat_s=0.02, warn_s=0.1, warn_every_s=0.0, stack_s=0.3)
    async with LoopWatch(bounds, has_last_resort=False) as watch:
        watch.tell_lags_to(lambda lag_s, stack: told.append((lag_s, stack)))
        await beats(watch, 1)
        for blocked_s in (0.5, 0.2):
            time.sleep(blocked_s)  # noqa: ASYNC251 - what is tested
            await beats(watch, 1)
    (long, stack), (short, none) = told[:2]
    assert (long > 0.3, short > 0.1) == (True, True)
    assert "test_who_asks_is_told_of_a_lag_with_its_stack" in stack
    assert none == ""


async def test_a_healthy_loop_is_quiet_and_leaves_nothing() -> None:
    ended: list[int] = []
    bounds = LagBounds(beat_s=0.01, warn_s=5, stack_s=5, exit_s=6)  # Quiet on a busy machine, too.
    with structlog.testing.capture_logs() as logs:
        async with LoopWatch(bounds, exit_process=ended.append, has_last_resort=False) as watch:
            await beats(watch, 5)
            assert threads() == ["loop-watch"]
    assert (logs, ended, threads()) == ([], [], [])
    count = watch.lags.count
    await asyncio.sleep(0.05)  # By then the heart would have beaten again.
    assert watch.lags.count == count


def blocks_until(event: threading.Event) -> None:
    """Stands for a tool that blocks."""
    assert event.wait(10)


async def test_a_stuck_loop_shows_its_stack_then_ends_the_process() -> None:
    ended: list[int] = []
    is_ended = threading.Event()

    def exit_process(status: int) -> None:
        ended.append(status)
        is_ended.set()

    bounds = LagBounds(beat_s=0.01, warn_s=0.01, stack_s=0.1, exit_s=0.3)
    with structlog.testing.capture_logs() as logs:
        async with LoopWatch(bounds, exit_process=exit_process, has_last_resort=False):
            blocks_until(is_ended)
    assert ended == [STUCK_EXIT_STATUS]
    blocked, stuck = [line for line in logs if line["event"] in {"loop_blocked", "loop_stuck"}]
    assert (blocked["event"], blocked["log_level"]) == ("loop_blocked", "error")
    assert (stuck["event"], stuck["log_level"]) == ("loop_stuck", "critical")
    assert "blocks_until" in blocked["stack"]
    assert "blocks_until" in stuck["stack"]
    assert blocked["lag_s"] < stuck["lag_s"]


async def test_a_stuck_loop_ends_the_process_where_no_thread_is_to_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process with too many threads hangs the sooner. It says nothing then, but it ends."""
    start = threading.Thread.start

    def start_none_for_lines(thread: threading.Thread) -> None:
        if thread.name == "loop-watch-line":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_none_for_lines)
    is_ended = threading.Event()
    bounds = LagBounds(beat_s=0.01, warn_s=0.01, stack_s=0.02, exit_s=0.1)
    async with LoopWatch(bounds, exit_process=lambda _: is_ended.set(), has_last_resort=False):
        blocks_until(is_ended)


async def test_the_clock_can_be_another() -> None:
    """On a clock that stands still no beat is late, however long the loop is blocked."""
    bounds = LagBounds(beat_s=0.01, warn_s=0.01, stack_s=0.02, exit_s=0.03)
    ended: list[int] = []
    with structlog.testing.capture_logs() as logs:
        async with LoopWatch(bounds, clock=lambda: 1.0, exit_process=ended.append, has_last_resort=False):
            time.sleep(0.1)  # noqa: ASYNC251 - what is tested
    assert (logs, ended) == ([], [])


PROGRAM = """
import asyncio, re, sys, time
from callbridge.observe import loop_watch
from callbridge.observe.logs import configure_logging

async def main():
    configure_logging("INFO", stream=sys.stdout)
    bounds = loop_watch.LagBounds(beat_s=0.02, warn_s=0.02, stack_s=0.2, exit_s=0.6)
    async with loop_watch.LoopWatch(bounds):
        await asyncio.sleep(0.1)
        tool()

loop_watch.LAST_RESORT_S = 1.0
"""


def program(tool: str) -> subprocess.CompletedProcess[str]:
    text = PROGRAM + tool + "\nasyncio.run(main())\n"
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_process_whose_loop_sleeps_forever_ends() -> None:
    ended = program("def tool():\n    time.sleep(600)")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == STUCK_EXIT_STATUS, ended
    # A machine that stood still before is told of as well.
    assert [line["event"] for line in lines[-2:]] == ["loop_blocked", "loop_stuck"]
    assert all("in tool" in line["stack"] for line in lines[-2:])


def test_a_process_whose_log_nobody_reads_ends() -> None:
    """The loop is stuck in writing a line, so that no other line can be written."""
    writes = "import logging\n    with logging.getLogger().handlers[0].lock: time.sleep(600)"
    ended = program(f"def tool():\n    {writes}")
    assert (ended.returncode, ended.stdout) == (STUCK_EXIT_STATUS, "")


def test_a_process_in_which_no_python_thread_can_run_ends() -> None:
    """A regular expression keeps the interpreter: C shows the stacks and ends the process."""
    ended = program("def tool():\n    re.match(r'(a+)+$', 'a' * 64 + 'b')")
    assert ended.returncode == 1
    assert "in tool" in ended.stderr
