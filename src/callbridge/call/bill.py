"""What one call has used and cost so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.call.facts import Billed
from callbridge.call.usage import Usage

if TYPE_CHECKING:
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.wire import realtime_events


@dataclass(slots=True)
class Bill:
    """The bill of one stream."""

    out: Outbox
    usage: Usage = field(default_factory=Usage)
    cost_microdollars: int = 0

    def add(self, reported: realtime_events.Usage | None, plan: CallPlan) -> None:
        """A response is over. `plan`: knows the price of the model that made it."""
        if reported is None:
            return
        self.usage = self.usage.plus(reported)
        cost = plan.cost_microdollars(self.usage)
        more, self.cost_microdollars = cost - self.cost_microdollars, cost
        self.out.note(Billed(self.usage, more))
