"""What a call that is over still waits for: tools that run, and the caller's words that are late.

The phone is gone and the place of the call is free; only its tasks are left, and the model's leg while it may
still tell of words. Nothing is asked of the model any more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from callbridge.call.actions import CloseLeg
from callbridge.call.events import Leg
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from callbridge.call.events import BadMessage, LegGone, LegStalled, ShutdownRequested
    from callbridge.call.outbox import Outbox
    from callbridge.call.tools import ToolCalls
    from callbridge.call.transcript import Transcript
    from callbridge.call.wants import WorkAsked
    from callbridge.wire import realtime_events


class Linger:
    """The time between the end of a stream and the last that is left of it.

    Args:
        linger_s: its bound.
        transcript: says whether words are to come.
        tools: says whether one runs.
        out: where actions go.
    """

    def __init__(self, linger_s: float, transcript: Transcript, tools: ToolCalls, out: Outbox) -> None:
        self._linger_s, self._transcript, self._tools, self._out = linger_s, transcript, tools, out
        self.until: float | None = None
        """When the call leaves at the latest; None before the end of its stream, and when it has left."""
        self._may_stay_until = -math.inf
        self._has_model = False

    def begin(self, now: float, *, has_model: bool) -> None:
        """The stream has ended. `has_model`: the model's leg was kept, for the caller's words."""
        self.until = self._may_stay_until = now + self._linger_s
        self._has_model = has_model
        self.look(now)

    def look(self, now: float) -> None:
        """Lets go of what is not waited for any more; leaves when that is all."""
        if self.until is None:
            return
        if self._has_model and not self._transcript.awaits_words(now):
            self._let_model_go()
        if now >= self.until:
            self.leave()
        elif not (self._has_model or self._tools.is_any_running):
            self.until = None

    def leave(self) -> None:
        """Nothing is waited for any more."""
        self.until, self._may_stay_until = None, -math.inf
        if self._has_model:
            self._let_model_go()

    def _let_model_go(self) -> None:
        self._has_model = False
        self._out.do(CloseLeg(Leg.MODEL, 1000, ""))

    # --- What still happens ---

    def work_asked(self, event: WorkAsked, now: float) -> None:
        """Code of the agent's own has something to do because of the end: it is waited for."""
        if now < self._may_stay_until:
            self.until = self._may_stay_until
            self._tools.begin_work(event, now)

    def response_created(self, event: realtime_events.ResponseCreated, now: float) -> None:
        """An answer that was on its way at the end: nobody is there to hear it, or to pay for it."""
        if self._has_model:
            self._out.tell_model(commands.CancelResponse(response_id=event.response.id))

    def leg_gone(self, event: LegGone | LegStalled | BadMessage, now: float) -> None:
        """The model's leg is gone, and the words with it."""
        if event.leg is Leg.MODEL and self._has_model:
            self._transcript.words_lost()

    def bad_message(self, event: BadMessage, now: float) -> None:
        """The model sent what nobody can read. Words may still come, unless its socket is of no more use."""
        if event.is_fatal:
            self.leg_gone(event, now)

    def shut_down(self, event: ShutdownRequested, now: float) -> None:
        """The process stops, and waits for nothing of this."""
        self.leave()
