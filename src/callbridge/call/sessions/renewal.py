"""The renewal of a session before it expires: a second one is made ready beside it, and takes over unheard.

A session lasts at most 60 minutes (Realtime guide, "Session lifecycle events").

Make before break: the old session goes on until the new one has confirmed that it knows the conversation.
When nobody speaks, the caller's audio is held for the moment that the telling takes, and then goes to the new
one. When the moment is right is decided in `sessions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.actions import DialModel, DropModel
from callbridge.call.events import Leg
from callbridge.call.facts import warned
from callbridge.call.phases import Timer
from callbridge.call.sessions.opening import Opening, Step
from callbridge.wire import realtime_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.call.sessions.trouble import Trouble
    from callbridge.wire import realtime_commands as commands


def renewal_at(limits: Limits, ends_in_s: float | None, now: float) -> float:
    """When a session is renewed that stands at `now`.

    Args:
        limits: the bounds.
        ends_in_s: how long it will last by the server's own word; None where that is not known.
        now: monotonic seconds.
    """
    latest = now + limits.renew_after_s
    if ends_in_s is None or ends_in_s < limits.expiry_min_s:
        return latest
    return min(latest, now + max(ends_in_s - limits.renew_before_s, ends_in_s / 2))


class Renewal:
    """The spare session of one call, while there is one."""

    def __init__(self, limits: Limits, out: Outbox) -> None:
        self._limits, self._out = limits, out
        self._opening: Opening | None = None
        self._is_dialled = False
        self.moving_since: float | None = None
        """Since when the conversation is being told, and the caller's audio waits; None while it is not."""
        self.renew_at: float | None = None
        """When the present session is to be renewed; None before there is one."""
        self.due: dict[Timer, float] = {}

    def schedule(self, at: float) -> None:
        """A session stands: it is renewed in good time."""
        self.renew_at = at
        self.due = {Timer.RENEW: at}

    def dial(self, plan: CallPlan, now: float) -> None:
        """It is time for another session."""
        self._is_dialled = True
        self.due = {Timer.SPARE: now + self._limits.connect_timeout_s}
        self._out.do(DialModel(plan.model, Leg.SPARE))

    def connected(self, plan: CallPlan) -> None:
        """The spare leg is open."""
        if self._is_dialled:
            self._opening = Opening(plan, self._out, Leg.SPARE, is_retold=True)

    def said(self, event: realtime_events.Parsed) -> Trouble | None:
        """One event of the spare session. It makes no answers, so few kinds matter."""
        if self._opening is None:
            return None
        trouble: Trouble | None = None
        match event:
            case realtime_events.SessionCreated():
                self._opening.created(event)
            case realtime_events.SessionUpdated():
                trouble = self._opening.updated(event)
            case realtime_events.ErrorEvent(error):
                trouble = self._opening.error(error)
            case _:
                pass
        if trouble is None and self.is_prepared:
            self.due = {}  # It waits for a quiet moment, however long that takes.
        return trouble

    @property
    def is_prepared(self) -> bool:
        """Whether the spare waits to be told the conversation."""
        return self._opening is not None and self._opening.step is Step.CONFIGURED

    @property
    def can_replace(self) -> bool:
        """Whether the spare may take the place of a session that is lost: it stands, and answers nobody."""
        return self.is_prepared or self.moving_since is not None

    @property
    def is_ready(self) -> bool:
        """Whether the spare can take over."""
        return self._opening is not None and self._opening.step is Step.READY

    def move(self, items: Sequence[commands.AnyItem], now: float) -> None:
        """A quiet moment: the spare is told what was said. The caller's audio must be held from now on."""
        assert self._opening is not None
        self.moving_since = now
        self.due = {Timer.SPARE: now + self._limits.move_timeout_s}
        self._opening.retell(items)

    def take(self) -> Opening:
        """The spare takes over: from now on it is the model leg."""
        assert self._opening is not None
        opening, self._opening = self._opening, None
        self._is_dialled, self.moving_since = False, None
        self.due = {}
        opening.leg = Leg.MODEL
        return opening

    def give_up(self, why: str, now: float) -> None:
        """This spare will not do; another one later. Does nothing without a spare."""
        if not self._is_dialled:
            return
        self._out.note(warned("renewal_put_off", why=why))
        self.drop()
        self.due = {Timer.RENEW: now + self._limits.renew_again_after_s}

    def drop(self) -> None:
        """No spare is needed any more."""
        if self._is_dialled:
            self._out.do(DropModel(Leg.SPARE))
        self._opening, self._is_dialled, self.moving_since = None, False, None
        self.due = {}
