"""How the session that stands is amended: the end of the greeting's protection, other instructions and tools.

Every update carries the whole session, both formats with it: a part that is left out might fall back to the
vendor's default, and the caller would hear static. It counts when it is confirmed; confirmations come in the
order of the updates (Realtime reference, session.update), a refusal names its update.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from callbridge.call.facts import SessionAmended, warned

if TYPE_CHECKING:
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.call.wants import SessionWanted
    from callbridge.wire import realtime_events


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
        self._sent: deque[tuple[str, SessionWanted | None]] = deque()
        """Updates without a confirmation, with what the agent wanted in each."""
        self._before: CallPlan | None = None
        """What holds again if the update is refused."""

    @property
    def is_pending(self) -> bool:
        """Whether the session is about to be what the agent wants: it is asked nothing meanwhile."""
        return self.due is not None

    def sent(self, command_id: str) -> None:
        """An update left that changes nothing of what the agent has said."""
        self._sent.append((command_id, None))

    def taken(self, plan: CallPlan) -> CallPlan:
        """What is wanted becomes part of the plan; its update is to be sent, or a session opened with it."""
        if self.wanted is None:
            return plan
        self._before = plan
        return plan.with_agent(self.wanted.instructions, self.wanted.tools)

    def told(self, command_id: str, now: float) -> None:
        """The update with what is wanted left."""
        self._sent.append((command_id, self.wanted))
        self.wanted, self.due = None, now + self._limits.amend_timeout_s

    def confirmed(self) -> bool:
        """The oldest update is confirmed. Whether there was one."""
        if not self._sent:
            return False
        _, wanted = self._sent.popleft()
        self._over(wanted, is_confirmed=True)
        return True

    def refused(self, error: realtime_events.ErrorDetail, plan: CallPlan) -> CallPlan | None:
        """The plan that holds when this error refuses an update; None when it does not."""
        found = next((sent for sent in self._sent if error.event_id and sent[0] == error.event_id), None)
        if found is None:
            return None
        self._sent.remove(found)
        self._out.note(warned("session_not_amended", code=error.code, message=error.message))
        if found[1] is None or self._before is None:
            return plan
        self._over(found[1], is_confirmed=False)
        return plan.with_agent(self._before.session.instructions, self._before.session.tools)

    def overdue(self) -> None:
        """No confirmation came: nobody waits for it any longer. If it comes, it counts."""
        self._out.note(warned("session_not_amended", code="timeout", message="no confirmation in time"))
        self.due = None

    def session_opened(self) -> None:
        """Another session was opened with all that was wanted."""
        sent, self.wanted = [wanted for _, wanted in self._sent], None
        self._sent.clear()
        for wanted in sent:
            self._over(wanted, is_confirmed=True)
        self.due = None

    def _over(self, wanted: SessionWanted | None, *, is_confirmed: bool) -> None:
        if wanted is not None:
            self.due = None
            self._out.note(SessionAmended(wanted.amendment_id, is_confirmed))
