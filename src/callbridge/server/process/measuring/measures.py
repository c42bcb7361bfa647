"""What is measured in one process: the metrics that facts move, and what was found out beside calls."""

from __future__ import annotations

import contextlib
import email.utils
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.observe.metrics import Metrics
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.continuation import Continuation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HALF_A_SECOND: Final = 0.5
"""By so much a time in whole seconds is behind on the average."""


def _metrics() -> Metrics:
    """With the closed lists of what our decisions are called."""
    return Metrics((reason.value for reason in DeclineReason), (what.value for what in Continuation))


@dataclass(slots=True)
class Measures:
    """The latest of each; None for what is not known."""

    wall_now: Callable[[], float]
    metrics: Metrics = field(default_factory=_metrics)
    clock_ahead_s: float | None = None
    """How far our clock is ahead of the model's."""
    certificate_ends_at: float | None = None
    """That of the public address, in seconds since 1970."""
    is_certificate_trusted: bool | None = None
    processes: int | None = None
    """Others that share calls with this one."""
    deliveries_waiting: Mapping[str, int] | None = None
    """By receiver."""

    def told_date(self, date: str) -> None:
        """The model has said what time it has, in whole seconds; what is no date is no news."""
        with contextlib.suppress(ValueError):
            told = email.utils.parsedate_to_datetime(date)
            self.clock_ahead_s = self.wall_now() - told.timestamp() - HALF_A_SECOND
