"""What becomes of words that the agent's code wants said: they wait among the debts, sound, and are told of.

`Said` says how much of them was heard. Who asks for them is `asking`, as for everything that is owed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.facts import Said
from callbridge.call.floor.responses import Saying

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.debts import Debts
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.wants import AgentSays


class Sayings:
    """Those of one call.

    Args:
        limits: the bounds.
        playout: says what was heard.
        debts: where they wait.
        out: where facts go.
    """

    def __init__(self, limits: Limits, playout: Playout, debts: Debts, out: Outbox) -> None:
        self._heard_tail_ms, self._waiting_max = limits.heard_tail_ms, limits.sayings_waiting_max
        self._playout, self._debts, self._out = playout, debts, out
        self.sounding: list[LiveResponse] = []
        """The responses that say one, until it is told how much of it was heard."""

    def wanted(self, event: AgentSays, now: float) -> None:
        """One more."""
        waiting = self._debts.sayings
        waiting.append(Saying(event.say_id, event.words, now, event.until_tool, event.is_answer))
        if len(waiting) > self._waiting_max:
            # The first may be asked for already: behind words that come before all, it is the second.
            self.drop(waiting[1 + waiting[0].comes_first])

    def wanted_first(self, event: AgentSays, since: float) -> None:
        """One more, in the place of words that were stopped: whoever was stopped has to say something.

        `since`: when the caller began to wait.
        """
        saying = Saying(event.say_id, event.words, since, is_answer=True, comes_first=True)
        self._debts.sayings.insert(0, saying)

    def tool_answered(self, call_id: str, asked: Saying | None) -> None:
        """What was to cover the time of this tool is of no use any more. `asked`: is being made already."""
        for saying in tuple(self._debts.sayings):
            if saying.until_tool == call_id and saying is not asked:
                self.drop(saying)

    def drop(self, saying: Saying) -> None:
        """It is not to be said after all. Does nothing once it is being made."""
        if saying in self._debts.sayings:
            self._debts.sayings.remove(saying)
            self._out.note(Said(saying.id, 0))

    def drop_all(self, asked: Saying | None) -> None:
        """None that waits is to be said. `asked`: is being made already, and told of when it was heard."""
        for saying in tuple(self._debts.sayings):
            if saying is not asked:
                self.drop(saying)

    def begins(self, response: LiveResponse) -> None:
        """A response begins that says one."""
        self.sounding.append(response)

    def owed_again(self, response: LiveResponse) -> None:
        """It has not said it after all."""
        self.sounding.remove(response)

    def are_cut(self, now: float) -> None:
        """The caller speaks: what is unheard of them will not be heard. Before the phone is cleared."""
        for response in self.sounding:
            self._tell(response, now)
        self.sounding.clear()

    def is_cut(self, response: LiveResponse, now: float) -> None:
        """One of them is stopped. Before the phone is cleared."""
        self.sounding.remove(response)
        self._tell(response, now)

    def settle(self, in_progress: LiveResponse | None, now: float) -> None:
        """After every event, while any sounds: whether it was heard to its end."""
        for response in tuple(self.sounding):
            is_made = response.is_whole or response is not in_progress
            sent_ms, heard_ms = self._playout.sent_and_heard_ms(response.items, now)
            if response.is_muted or (is_made and heard_ms >= sent_ms):
                self.sounding.remove(response)
                self._tell(response, now)

    def _tell(self, response: LiveResponse, now: float) -> None:
        assert response.saying is not None, "only those sound here that say one"
        sent_ms, heard_ms = self._playout.sent_and_heard_ms(response.items, now)
        # One whose audio is not whole was to be longer than what was sent of it.
        is_heard = response.is_whole and sent_ms and sent_ms - heard_ms <= self._heard_tail_ms
        percent = 100 if is_heard else min(99, 100 * heard_ms // max(sent_ms, 1))
        self._out.note(Said(response.saying.id, percent))
