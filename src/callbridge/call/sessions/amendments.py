"""How the session that stands is amended: the end of the greeting's protection, other instructions and tools.

Every update carries the whole session, both formats with it: a part that is left out might fall back to the
vendor's default, and the caller would hear static. It counts when it is confirmed; confirmations come in the
order of the updates (Realtime reference, session.update) and show the session, a refusal names its update.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.call.facts import SessionAmended, warned
from callbridge.call.wants import SessionWanted

if TYPE_CHECKING:
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.wire import realtime_events
    from callbridge.wire.realtime_commands import Session


@dataclass(slots=True)
class _Update:
    """One that has left."""

    id: str
    instructions: str
    """What the model is told in it."""
    wanted: SessionWanted | None = None
    """What the agent wanted with it; None for one that changes nothing of what it has said."""
    before: CallPlan | None = None
    """What holds again if it is refused."""


class Amendments:
    """Those of one call.

    Args:
        limits: the bounds.
        out: where facts go.
    """

    def __init__(self, limits: Limits, out: Outbox) -> None:
        self._limits, self._out = limits, out
        self.wanted: SessionWanted | None = None
        """What the agent wants the session to be, while no session was told."""
        self.due: float | None = None
        """When the confirmation is late of what the agent has wanted; None while none is awaited."""
        self._sent: deque[_Update] = deque()
        """Those without a confirmation, oldest first."""

    @property
    def is_pending(self) -> bool:
        """Whether the session is about to be what the agent wants: it is asked nothing meanwhile."""
        return self.due is not None

    def sent(self, command_id: str, plan: CallPlan) -> None:
        """An update left that changes nothing of what the agent has said: it stands in the plan."""
        self._sent.append(_Update(command_id, plan.session.instructions))

    def taken(self, plan: CallPlan) -> CallPlan:
        """What is wanted becomes part of the plan; its update is to be sent, or a session opened with it."""
        if self.wanted is None:
            return plan
        return plan.with_agent(self.wanted.instructions, self.wanted.tools)

    def told(self, command_id: str, before: CallPlan, now: float) -> None:
        """The update with what is wanted left. `before`: what holds again if it is refused."""
        told = before if self.wanted is None else self.taken(before)
        self._sent.append(_Update(command_id, told.session.instructions, self.wanted, before))
        self.wanted, self.due = None, now + self._limits.amend_timeout_s

    def confirmed(self, instructions: object) -> bool:
        """An update is confirmed: the oldest whose session is the one that is shown. Whether there was one.

        What was sent before it will not be confirmed any more. Where none is like it, as with a server that
        shows nothing, the oldest is meant: nobody waits for a text that is merely shown in another way.

        Args:
            instructions: as the confirmation shows them.
        """
        if not self._sent:
            return False
        if any(one.instructions == instructions for one in self._sent):
            while self._sent[0].instructions != instructions:
                self._over(self._sent.popleft().wanted, is_confirmed=False)
        self._over(self._sent.popleft().wanted, is_confirmed=True)
        return True

    def refused(self, error: realtime_events.ErrorDetail, plan: CallPlan) -> CallPlan | None:
        """The plan that holds when this error refuses an update; None when it does not."""
        found = next((one for one in self._sent if error.event_id and one.id == error.event_id), None)
        if found is None:
            return None
        self._sent.remove(found)
        self._out.note(warned("session_not_amended", code=error.code, message=error.message))
        if found.wanted is None or found.before is None:
            return plan
        self._over(found.wanted, is_confirmed=False)
        if (later := self._latest) is not None:  # If it is refused as well, what was before both holds.
            later.before = found.before
            return plan
        return plan.with_agent(found.before.session.instructions, found.before.session.tools)

    def overdue(self) -> None:
        """No confirmation came: nobody waits for it any longer. If it comes, it counts."""
        self._out.note(warned("session_not_amended", code="timeout", message="no confirmation in time"))
        self.due = None

    def session_opened(self, opened: Session, latest: Session) -> None:
        """Another session was opened. What it does not know of the agent yet, it is to be told.

        Args:
            opened: as what it was opened.
            latest: what the agent has said of itself last, as far as any session was told it.
        """
        wanted = [one.wanted for one in self._sent if one.wanted is not None]
        wanted += [] if self.wanted is None else [self.wanted]
        self._sent.clear()
        self.wanted = None
        for one in wanted:
            if (one.instructions, one.tools) == (opened.instructions, opened.tools):
                self._over(one, is_confirmed=True)
            elif one is wanted[-1]:
                self.wanted = one
            else:
                self._over(one, is_confirmed=False)
        if not wanted and (latest.instructions, latest.tools) != (opened.instructions, opened.tools):
            self.wanted = SessionWanted("", latest.instructions, latest.tools)
        self.due = None

    @property
    def _latest(self) -> _Update | None:
        """The latest of those that wait and change what the agent says of itself."""
        return next((one for one in reversed(self._sent) if one.wanted is not None), None)

    def _over(self, wanted: SessionWanted | None, *, is_confirmed: bool) -> None:
        if wanted is not None:
            if self._latest is None:
                self.due = None
            self._out.note(SessionAmended(wanted.amendment_id, is_confirmed))
