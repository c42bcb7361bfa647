"""How the process stops without dropping a call: no new calls, live ones end or hand over, then the exit.

`Draining` decides: (event, now) in, actions out. `Drain` is its shell: the timer, the log, the live calls.
uvicorn closes every WebSocket at once when it is told to exit, so it is told only when this is done.

    SERVING ── drain or signal ──> DRAINING ── second signal, or time is up ──> HANDING_OVER ──> STOPPED
                                       └──────── signal, and no call is left ────────────────────┘
"""

from __future__ import annotations

import asyncio
import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import structlog

if TYPE_CHECKING:
    from callbridge.server.live_calls import LiveCalls

HAND_OVER_S: Final = 12.0
"""A turn boundary comes within this: the longest wait for a tool is 8 s, and a sentence takes 4 s."""

ACTION_S: Final = 3.0
"""After a stream has ended: Twilio asks the `<Connect action>` within a second, and we know the answer."""

PROMISED_S: Final = 5.0
"""After a webhook was answered with a stream: Twilio opens it within a second or two."""

_log = structlog.get_logger()


class Stage(enum.StrEnum):
    """How far the process is on its way out."""

    SERVING = "serving"
    DRAINING = "draining"
    """No new calls; the live ones go on, with everything that they can do."""
    HANDING_OVER = "handing_over"
    """What is left was asked to hand over at its next turn boundary."""
    STOPPED = "stopped"
    """The process may exit; what is still connected is cut."""


# What the drain is told.


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """A deploy script wants no new calls here. The process stays until a signal."""


@dataclass(frozen=True, slots=True)
class StopSignalled:
    """SIGTERM or SIGINT."""


@dataclass(frozen=True, slots=True)
class CallsCounted:
    """The number of live calls was changed."""

    live: int


@dataclass(frozen=True, slots=True)
class StreamPromised:
    """Twilio was told to open a stream here, a moment ago."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline may have come."""


Event: TypeAlias = DrainAsked | StopSignalled | CallsCounted | StreamPromised | TimePassed


# What the drain asks for.


@dataclass(frozen=True, slots=True)
class Announce:
    """Say where the process stands."""

    stage: Stage
    live: int
    ends_within_s: float | None
    """The longest that this stage can last; nothing when only a signal ends it."""


@dataclass(frozen=True, slots=True)
class AskToHandOver:
    """Ask all live calls to hand over."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Let the process exit."""


Action: TypeAlias = Announce | AskToHandOver | Stop


class Draining:
    """The decisions. Pure: time is passed in, in seconds on any clock that never runs backwards."""

    def __init__(self, drain_s: float, hand_over_s: float = HAND_OVER_S) -> None:
        assert drain_s >= 0
        assert hand_over_s >= 0
        self._drain_s = drain_s
        self._hand_over_s = hand_over_s
        self._live = 0
        self._is_signalled = False
        # Until then Twilio may open a stream that it was promised, or ask what follows one that ended.
        self._quiet_at = -math.inf
        self._ends_at: float | None = None
        self.stage = Stage.SERVING

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due; nothing while only an event changes anything."""
        if not self._is_signalled or self.stage is Stage.STOPPED:
            return None
        assert self._ends_at is not None
        return self._ends_at if self._live else min(self._quiet_at, self._hard_end)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do now, in order."""
        if self.stage is Stage.STOPPED:
            return []
        actions: list[Action] = []
        match event:
            case DrainAsked():
                if self.stage is Stage.SERVING:
                    actions = self._drain(None, now)
            case StopSignalled():
                actions = self._signalled(now)
            case CallsCounted(live):
                if live < self._live:
                    self._quiet_at = max(self._quiet_at, now + ACTION_S)
                self._live = live
            case StreamPromised():
                self._quiet_at = max(self._quiet_at, now + PROMISED_S)
            case TimePassed():
                pass
            case _:
                assert_never(event)
        return actions + self._go_on(now)

    def _signalled(self, now: float) -> list[Action]:
        is_first, self._is_signalled = not self._is_signalled, True
        if is_first:
            return self._drain(now + self._drain_s, now)
        if self.stage is Stage.DRAINING:
            return self._hand_over(now)
        # Whoever asks a third time wants no courtesy.
        return self._stop(now)

    def _go_on(self, now: float) -> list[Action]:
        if not self._is_signalled or self.stage is Stage.STOPPED:
            return []
        assert self._ends_at is not None
        if not self._live and now >= min(self._quiet_at, self._hard_end):
            return self._stop(now)
        if not self._live or now < self._ends_at:
            return []
        return self._hand_over(now) if self.stage is Stage.DRAINING else self._stop(now)

    @property
    def _hard_end(self) -> float:
        """Without a live call nothing is worth waiting longer: the last one's action is asked by then."""
        assert self._ends_at is not None
        return self._ends_at + ACTION_S

    def _drain(self, ends_at: float | None, now: float) -> list[Action]:
        return self._enter(Stage.DRAINING, ends_at, now)

    def _hand_over(self, now: float) -> list[Action]:
        return [*self._enter(Stage.HANDING_OVER, now + self._hand_over_s, now), AskToHandOver()]

    def _stop(self, now: float) -> list[Action]:
        return [*self._enter(Stage.STOPPED, now, now), Stop()]

    def _enter(self, stage: Stage, ends_at: float | None, now: float) -> list[Action]:
        self.stage = stage
        self._ends_at = ends_at
        return [Announce(stage, self._live, None if ends_at is None else ends_at - now)]


class Drain:
    """The drain of one process: what the control, the signals and the live calls tell it.

    All of it belongs to the event loop; a signal's own callback must go through `call_soon_threadsafe`.
    """

    def __init__(self, live_calls: LiveCalls, drain_s: float, hand_over_s: float = HAND_OVER_S) -> None:
        self._live_calls = live_calls
        self._draining = Draining(drain_s, hand_over_s)
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = asyncio.Event()
        live_calls.watch(lambda live: self._tell(CallsCounted(live)))

    def __repr__(self) -> str:
        return f"<Drain stage={self.stage.value} live={len(self._live_calls)}>"

    @property
    def stage(self) -> Stage:
        """Where the process stands."""
        return self._draining.stage

    def reason_not_ready(self) -> str | None:
        """Why this process takes no new call, in a word; nothing while it serves."""
        return None if self.stage is Stage.SERVING else "draining"

    @property
    def is_leaving(self) -> bool:
        """Whether calls are handed over: none may come back to this process any more."""
        return self.stage in {Stage.HANDING_OVER, Stage.STOPPED}

    def begin(self) -> None:
        """No new calls from now on; the process stays until a signal. Again: changes nothing."""
        self._tell(DrainAsked())

    def signalled(self) -> None:
        """SIGTERM or SIGINT: the first drains, the second hands over at once, the third stops at once."""
        self._tell(StopSignalled())

    def stream_promised(self) -> None:
        """A webhook has told Twilio to open a stream here; a stop waits a moment for it."""
        self._tell(StreamPromised())

    async def run_until_stopped(self) -> None:
        """Until the process may exit."""
        try:
            await self._is_stopped.wait()
        finally:
            self._cancel_timer()

    def _tell(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        for action in self._draining.handle(event, loop.time()):
            self._perform(action)
        self._cancel_timer()
        deadline = self._draining.deadline
        if deadline is not None:
            self._timer = loop.call_at(deadline, self._tell, TimePassed())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _perform(self, action: Action) -> None:
        match action:
            case Announce(stage, live, ends_within_s):
                _log.info(stage.value, live_calls=live, ends_within_s=ends_within_s)
            case AskToHandOver():
                self._live_calls.hand_over_all()
            case Stop():
                self._is_stopped.set()
            case _:
                assert_never(action)
