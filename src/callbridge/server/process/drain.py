"""The shell of `switchboard/draining.py`: its timer, its log, and the live calls that it counts and asks.

uvicorn closes every WebSocket at once when it is told to exit, so it is told only when this is done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

import structlog

from callbridge.switchboard.draining import (
    HAND_OVER_S,
    Action,
    Announce,
    AskToHandOver,
    Broken,
    CallsCounted,
    DrainAsked,
    Draining,
    DrainStep,
    DrainUndone,
    Event,
    Stop,
    StopSignalled,
    StreamPromised,
    TimePassed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.process.live_calls import LiveCalls
    from callbridge.switchboard.holding import Hold

_log = structlog.get_logger()


class Drain:
    """The drain of one process: what the control, the signals and the live calls tell it.

    All of it belongs to the event loop; a signal's own callback must go through `call_soon_threadsafe`.
    """

    def __init__(self, live_calls: LiveCalls, drain_s: float, hand_over_s: float = HAND_OVER_S) -> None:
        self._live_calls = live_calls
        self._draining = Draining(drain_s, hand_over_s)
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = asyncio.Event()
        self._watchers: list[Callable[[], None]] = []
        self.others_go_on = False
        """Whether other workers take the calls that this process takes no more."""
        live_calls.watch(lambda live: self._tell(CallsCounted(live)))

    def __repr__(self) -> str:
        return f"<Drain step={self.step.value} live={len(self._live_calls)}>"

    def watch(self, watcher: Callable[[], None]) -> None:
        """Has `watcher` called each time that the process takes a step on its way out, or back."""
        self._watchers.append(watcher)

    @property
    def step(self) -> DrainStep:
        """Where the process stands."""
        return self._draining.step

    def reason_not_ready(self) -> str | None:
        """Why no new call is taken here, in a word; nothing while it serves.

        Nor while others go on: what is still asked of this process, over a connection that a proxy has kept,
        is answered, and the stream comes to one of them.
        """
        return None if self.step is DrainStep.SERVING or self.others_go_on else "draining"

    @property
    def is_leaving(self) -> bool:
        """Whether calls are handed over: none may come back to this process any more."""
        return self.step in {DrainStep.HANDING_OVER, DrainStep.STOPPED}

    def begin(self) -> None:
        """No new calls from now on; the process stays until a signal. Again: changes nothing."""
        self._tell(DrainAsked())

    def undo(self) -> None:
        """Takes calls again, unless a signal has told the process to stop."""
        self._tell(DrainUndone())

    def give_up(self) -> None:
        """The process cannot serve any more: it hands its calls over and exits as a failure."""
        self._tell(Broken())

    @property
    def is_broken(self) -> bool:
        """Whether it was given up."""
        return self._draining.is_broken

    def signalled(self) -> None:
        """SIGTERM or SIGINT: the first drains, the second hands over at once, the third stops at once."""
        self._tell(StopSignalled())

    def stream_promised(self) -> None:
        """A webhook has told Twilio to open a stream here; a stop waits a moment for it."""
        self._tell(StreamPromised())

    def hold(self, call_sid: str, held: int, restart_s: float, *, is_alone: bool = True) -> Hold:
        """How long a caller waits whose call was handed over, and who has waited `held` times before.

        `is_alone`: no other process serves the number.
        """
        is_live = self._live_calls.find(call_sid) is not None
        now = asyncio.get_running_loop().time()
        answer = self._draining.hold(
            call_sid, held, now, is_live=is_live, restart_s=restart_s, is_alone=is_alone
        )
        self._tell(TimePassed())
        return answer

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
            case Announce(step, live, ends_within_s):
                _log.info(step.value, live_calls=live, ends_within_s=ends_within_s)
                for watcher in self._watchers:
                    watcher()
            case AskToHandOver():
                self._live_calls.hand_over_all()
            case Stop():
                self._live_calls.stop_lingering()
                self._is_stopped.set()
            case _:
                assert_never(action)
