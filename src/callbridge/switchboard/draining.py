"""How the process stops without dropping a call: no new calls, live ones end or hand over, then the exit.

Pure: (event, now) in, actions out. The timer, the log and the live calls are in `server/process/drain.py`.

    SERVING ── drain or signal ──> DRAINING ── second signal, or time is up ──> HANDING_OVER ──> STOPPED
        └────── a drain is undone ─────┘└──────── signal, and no call is left ────────────────────┘
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from callbridge.switchboard.holding import Hold, hold

HAND_OVER_S: Final = 12.0
"""A turn boundary comes within this: the longest wait for a tool is 8 s, and a sentence takes 4 s."""

ACTION_S: Final = 3.0
"""After a stream has ended: Twilio asks the `<Connect action>` within a second, and we know the answer. What
was handed over is told to wait, and to ask the next process."""

PROMISED_S: Final = 5.0
"""After a webhook was answered with a stream: Twilio opens it within a second or two."""


class DrainStep(enum.StrEnum):
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
class DrainUndone:
    """The deploy script has thought better of it. A signal cannot be taken back."""


@dataclass(frozen=True, slots=True)
class StopSignalled:
    """SIGTERM or SIGINT."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Something is gone without which no call can be served: hand over at once, and exit as a failure."""


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


Event: TypeAlias = (
    DrainAsked | DrainUndone | StopSignalled | Broken | CallsCounted | StreamPromised | TimePassed
)


# What the drain asks for.


@dataclass(frozen=True, slots=True)
class Announce:
    """Say where the process stands."""

    step: DrainStep
    live: int
    ends_within_s: float | None
    """The longest that this step can last; nothing when only a signal ends it."""


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
        self._back_at: dict[str, float] = {}
        """By when Twilio asks again about callers who were told to wait."""
        self._ends_at: float | None = None
        self.step = DrainStep.SERVING
        self.is_broken = False
        """Whether the process ends because it cannot serve."""

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due; nothing while only an event changes anything."""
        if not self._is_signalled or self.step is DrainStep.STOPPED:
            return None
        assert self._ends_at is not None
        if not self._live:
            return self._goes_at
        return max(self._ends_at, self._goes_at) if self.step is DrainStep.HANDING_OVER else self._ends_at

    def hold(
        self,
        call_sid: str,
        held: int,
        now: float,
        *,
        is_live: bool,
        restart_s: float,
        is_alone: bool = True,
    ) -> Hold:
        """How long a caller waits whose call was handed over; `TimePassed` is to be told after it.

        Args:
            call_sid: whose question this is.
            held: how often this caller has waited before.
            now: the time.
            is_live: whether this call is still counted: its socket is being closed.
            restart_s: from the end of this process until the next one answers.
            is_alone: whether no other process serves the number.
        """
        self._back_at.pop(call_sid, None)
        stays_until = leaves_at = now
        others_live = self._live > is_live
        if self.step is DrainStep.HANDING_OVER:
            assert self._ends_at is not None
            # Calls that are live at the end are cut, and the process is gone.
            stays_until = self._ends_at if others_live else self._hard_end
            quiet_until = max(self._quiet_until, now + ACTION_S) if is_live else self._quiet_until
            leaves_at = self._hard_end if others_live else min(quiet_until, self._hard_end)
        answer = hold(
            held=held,
            others_live=others_live,
            stays_s=stays_until - now,
            leaves_within_s=max(0.0, leaves_at - now),
            restart_s=restart_s,
            is_alone=is_alone,
        )
        if answer.back_within_s is not None:
            self._back_at[call_sid] = now + answer.back_within_s
        return answer

    @property
    def _quiet_until(self) -> float:
        return max(self._quiet_at, *self._back_at.values(), -math.inf)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do now, in order."""
        if self.step is DrainStep.STOPPED:
            return []
        actions: list[Action] = []
        match event:
            case DrainAsked():
                if self.step is DrainStep.SERVING:
                    actions = self._drain(None, now)
            case DrainUndone():
                if self.step is DrainStep.DRAINING and not self._is_signalled:
                    actions = self._enter(DrainStep.SERVING, None, now)
            case StopSignalled():
                actions = self._signalled(now)
            case Broken():
                actions = self._break(now)
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
        if self.step is DrainStep.DRAINING:
            return self._hand_over(now)
        # Whoever asks a third time wants no courtesy.
        return self._stop(now)

    def _break(self, now: float) -> list[Action]:
        self.is_broken = self._is_signalled = True
        return [] if self.step is DrainStep.HANDING_OVER else self._hand_over(now)

    def _go_on(self, now: float) -> list[Action]:
        if not self._is_signalled or self.step is DrainStep.STOPPED:
            return []
        assert self._ends_at is not None
        if not self._live:
            return self._stop(now) if now >= self._goes_at else []
        if now < self._ends_at:
            return []
        if self.step is DrainStep.DRAINING:
            return self._hand_over(now)
        # Those that are live are cut. Of one that ended a moment before, Twilio is still about to ask.
        return self._stop(now) if now >= self._goes_at else []

    @property
    def _goes_at(self) -> float:
        """When nobody is expected any more."""
        return min(self._quiet_until, self._hard_end)

    @property
    def _hard_end(self) -> float:
        """Without a live call nothing is worth waiting longer: the last one's action is asked by then."""
        assert self._ends_at is not None
        return self._ends_at + ACTION_S

    def _drain(self, ends_at: float | None, now: float) -> list[Action]:
        return self._enter(DrainStep.DRAINING, ends_at, now)

    def _hand_over(self, now: float) -> list[Action]:
        return [*self._enter(DrainStep.HANDING_OVER, now + self._hand_over_s, now), AskToHandOver()]

    def _stop(self, now: float) -> list[Action]:
        return [*self._enter(DrainStep.STOPPED, now, now), Stop()]

    def _enter(self, step: DrainStep, ends_at: float | None, now: float) -> list[Action]:
        self.step = step
        self._ends_at = ends_at
        return [Announce(step, self._live, None if ends_at is None else ends_at - now)]
