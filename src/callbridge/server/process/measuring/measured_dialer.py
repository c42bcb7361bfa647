"""Tells how each dial to the model went and how long it took: of calls, ahead of calls, and of probes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.bridge.legs.leg import DialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.bridge.legs.leg import Dialer, SocketLeg


@dataclass(frozen=True, slots=True)
class MeasuredDialer:
    """A dialer that dials by another one. A dial that is given up tells nothing of the model."""

    dialer: Dialer
    told: Callable[[str, float], None]
    """Gets the outcome, one of `observe.instruments.DIAL_OUTCOMES`, and the seconds that it took."""
    now: Callable[[], float] = time.monotonic

    async def dial(self, model: str) -> SocketLeg:
        """A socket to `model`.

        Raises:
            DialError: refused, unreachable or too slow.
        """
        began_at = self.now()
        try:
            leg = await self.dialer.dial(model)
        except DialError as error:
            self.told(outcome_of(error), self.now() - began_at)
            raise
        self.told("connected", self.now() - began_at)
        return leg


def outcome_of(error: DialError) -> str:
    """A failed dial in a word."""
    failed = error.event
    if failed.lacks_descriptors:
        return "no_descriptors"
    if failed.status == 429:
        return "rate_limited"
    if failed.status is not None:
        return "refused"
    return "timed_out" if isinstance(error.__cause__, TimeoutError) else "unreachable"
