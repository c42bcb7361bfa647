"""Watches the event loop from a thread of its own: blocking code in one tool stops the audio of every call.

A heart beats on the loop; how late each beat comes is the lag of the loop. What is short is known once it is
over, from the heart. What is long the thread sees while it lasts, and ends the process before the callers are
gone: a platform restarts a process that exits, and nothing restarts one that hangs.

`LagJudge` decides, `Lags` counts; `LoopWatch` is the heart, the thread, and what they write.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import faulthandler
import logging
import os
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

STUCK_EXIT_STATUS: Final = 70
"""EX_SOFTWARE of sysexits.h: not 0, so that every restart policy restarts; not 1, which is a refused start;
not above 128, which is a signal."""

LAST_RESORT_S: Final = 5.0
"""After the bound at which the thread ends the process: when C ends it, because the thread could not."""

_STDERR: Final = 2
"""The descriptor: what a program puts in the place of `sys.stderr` may have none."""

WRITE_S: Final = 1.0
"""How long a line of the thread may take: the loop may be stuck in the very write that the line waits for."""

LATE_BEATS: Final = 3
LATE_WITHIN_S: Final = 5.0
"""So many late beats in so much time: not one hiccup, but a loop with more to do than it can."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LagBounds:
    """From which lag on something is done."""

    beat_s: float = 0.05
    """Between two beats, and between two looks. 20 ms is one frame of audio; twenty wake-ups a second cost
    no more than one call does."""
    warn_s: float = 0.1
    """Five frames late: the phone's own buffer no longer hides it."""
    warn_every_s: float = 1.0
    """The least time between two warnings."""
    stack_s: float = 2.0
    """Every caller hears the gap. Long enough that the stack shows what blocks, not what happens to run."""
    exit_s: float = 10.0
    """Twilio and the model give a silent peer about 15 s and 20 s."""

    def __post_init__(self) -> None:
        assert 0 < self.beat_s <= self.warn_s <= self.stack_s < self.exit_s
        assert self.warn_every_s >= 0

    @property
    def looks_before_exit(self) -> int:
        """Half of the looks that fit in: fewer mean that the whole process was not running."""
        return int(self.exit_s / self.beat_s / 2)


class Step(enum.Enum):
    """What a lag asks for."""

    WARN = enum.auto()
    SHOW_STACK = enum.auto()
    EXIT = enum.auto()


class LagJudge:
    """What to do at which lag, once per stall. Pure: the clock's seconds are passed in.

    `beat` and `is_late` are for the loop's thread alone, `look` for the watching one; they share nothing.
    """

    def __init__(self, bounds: LagBounds) -> None:
        self._bounds = bounds
        self._warned_at: float | None = None
        self._late_at: deque[float] = deque(maxlen=LATE_BEATS)
        self._stalled_beat: float | None = None
        self._steps_taken: set[Step] = set()
        self._looks = 0

    def lag_s(self, now: float, last_beat: float) -> float:
        """How late the beat after `last_beat` is, or was when it came at `now`."""
        return max(now - last_beat - self._bounds.beat_s, 0.0)

    def beat(self, now: float, last_beat: float) -> Step | None:
        """The heart beats at `now`, after `last_beat`: whether its lag is worth a line."""
        if self.lag_s(now, last_beat) <= self._bounds.warn_s:
            return None
        self._late_at.append(now)
        if self._warned_at is not None and now - self._warned_at < self._bounds.warn_every_s:
            return None
        self._warned_at = now
        return Step.WARN

    def is_late(self, now: float) -> bool:
        """Whether the loop has been late again and again of late."""
        return len(self._late_at) == LATE_BEATS and now - self._late_at[0] <= LATE_WITHIN_S

    def look(self, now: float, last_beat: float) -> Step | None:
        """The heart has not beaten since `last_beat`: what is to be done about it, each once per stall."""
        if last_beat != self._stalled_beat:
            self._stalled_beat = last_beat
            self._steps_taken = set()
            self._looks = 0
        self._looks += 1
        step = self._due(self.lag_s(now, last_beat))
        if step is None or step in self._steps_taken:
            return None
        self._steps_taken.add(step)
        return step

    def _due(self, lag_s: float) -> Step | None:
        # A process that was stopped as a whole (a debugger, Ctrl-Z, a frozen container) also finds a late
        # beat when it runs again, but has hardly looked: its loop gets the time to beat.
        if lag_s >= self._bounds.exit_s and self._looks >= self._bounds.looks_before_exit:
            return Step.EXIT
        return Step.SHOW_STACK if lag_s >= self._bounds.stack_s else None


LAGS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""The bounds between which lags are counted: a frame is 0.02 s."""


class Lags:
    """How many beats there were, how late the latest of them, and how many were how late."""

    def __init__(self) -> None:
        self.count = 0
        self.max_ms = 0.0
        self.sum_s = 0.0
        self.counts = [0] * (len(LAGS_S) + 1)
        """Beats by the first of `LAGS_S` that they did not pass; the last is for those beyond all."""

    def add(self, lag_s: float) -> None:
        """Counts one beat."""
        self.count += 1
        self.sum_s += lag_s
        self.counts[bisect_left(LAGS_S, lag_s)] += 1
        self.max_ms = max(self.max_ms, lag_s * 1000)


class LoopWatch:
    """The watch over the running loop, for the length of an `async with`."""

    def __init__(
        self,
        bounds: LagBounds | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        exit_process: Callable[[int], object] = os._exit,
        has_last_resort: bool = True,
    ) -> None:
        """A watch that has not begun.

        Args:
            bounds: at which lag what is done; the ordinary ones by default.
            clock: seconds that never run backwards, the same in both threads. Not the loop's: uvloop's
                stands still while a callback runs.
            exit_process: ends the process at once, without waiting for the loop that is stuck.
            has_last_resort: whether a thread of C's ends the process where none of Python's can run, because
                the loop's holds the interpreter (an endless regular expression). One per process.
        """
        self._bounds = bounds or LagBounds()
        self._clock = clock
        self._exit = exit_process
        self._has_last_resort = has_last_resort
        self._judge = LagJudge(self._bounds)
        self._beat_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = threading.Event()
        self._loop_thread = 0
        self._stack = ""
        """Where the loop was when it was last found blocked; told once."""
        self._tell_lag: Callable[[float, str], object] = _nobody
        self.lags = Lags()

    @property
    def is_late(self) -> bool:
        """Whether the loop cannot keep up at present, so that another call would spoil those there are."""
        return self._judge.is_late(self._clock())

    def tell_lags_to(self, tell: Callable[[float, str], object]) -> None:
        """Who is told of lags that are worth a line, on the loop and when they are over.

        `tell` gets the seconds, and a stack where the lag was long enough for one.
        """
        self._tell_lag = tell

    async def __aenter__(self) -> Self:
        """Begins to watch the loop that runs this."""
        self._loop_thread = threading.get_ident()
        self._beat_at = self._clock()
        self._schedule()
        self._thread = threading.Thread(target=self._watch, name="loop-watch", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        """Ends the watch; nothing of it is left."""
        self._is_over.set()
        if self._timer is not None:
            self._timer.cancel()
        # It wakes up at once. Only a line that cannot be written holds it, and that is bounded.
        self._thread.join(2 * WRITE_S)

    # On the loop.

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._bounds.beat_s, self._beat)

    def _beat(self) -> None:
        now = self._clock()
        last_beat, self._beat_at = self._beat_at, now
        lag_s = self._judge.lag_s(now, last_beat)
        self.lags.add(lag_s)
        if self._judge.beat(now, last_beat) is Step.WARN:
            _log.warning("loop_lagged", lag_ms=round(lag_s * 1000))
            stack, self._stack = self._stack, ""
            self._tell_lag(lag_s, stack)
        self._schedule()

    # In the watching thread.

    def _watch(self) -> None:
        resort = _LastResort(self._bounds.exit_s + LAST_RESORT_S) if self._has_last_resort else None
        try:
            while not self._is_over.wait(self._bounds.beat_s):
                if resort is not None:
                    resort.put_off(self._clock())
                if self._look() is Step.EXIT:
                    return
        finally:
            if resort is not None:
                resort.call_off()

    def _look(self) -> Step | None:
        now, last_beat = self._clock(), self._beat_at
        lag_s = round(self._judge.lag_s(now, last_beat), 1)
        step = self._judge.look(now, last_beat)
        if step is Step.SHOW_STACK:
            self._stack = self._stack_of_loop()
            _write(_log.error, "loop_blocked", lag_s=lag_s, stack=self._stack)
        elif step is Step.EXIT:
            _write(_last_words, lag_s=lag_s, stack=self._stack_of_loop())
            self._exit(STUCK_EXIT_STATUS)
        return step

    def _stack_of_loop(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        return "".join(traceback.format_stack(frame))


class _LastResort:
    """A thread of C's, which shows all stacks and ends the process with status 1, unless it is put off.

    It cannot tell a process that was stopped as a whole: after 15 s of Ctrl-Z it ends that too.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._put_off_at: float | None = None

    def put_off(self, now: float) -> None:
        """The watching thread still runs. Once a second is enough: it costs a thread each time, 40 µs."""
        if self._put_off_at is None or now - self._put_off_at >= 1:
            with contextlib.suppress(RuntimeError):  # There are no threads to be had: in a moment, then.
                faulthandler.dump_traceback_later(self._after_s, exit=True, file=_STDERR)
                self._put_off_at = now

    def call_off(self) -> None:
        """The watch is over."""
        faulthandler.cancel_dump_traceback_later()


def _last_words(*, lag_s: float, stack: str) -> None:
    _log.critical(
        "loop_stuck", lag_s=lag_s, stack=stack, next_step="The process ends now, so that it is started again."
    )
    for handler in logging.getLogger().handlers:
        handler.flush()


def _write(write: Callable[..., object], *args: object, **fields: object) -> None:
    """Writes in a thread of its own, and waits a moment only: a full pipe must not keep the process alive."""
    writing = threading.Thread(target=write, args=args, kwargs=fields, name="loop-watch-line", daemon=True)
    with contextlib.suppress(
        RuntimeError
    ):  # There are no threads to be had: what is to be done is done unsaid.
        writing.start()
        writing.join(WRITE_S)


def _nobody(lag_s: float, stack: str) -> None:
    """Told of a lag."""
    del lag_s, stack
