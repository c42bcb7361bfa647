"""When a session that could not be had is tried again, and with which model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.call.limits import Limits
    from callbridge.call.sessions.trouble import Trouble


@dataclass(slots=True)
class Redial:
    """The tries for one session."""

    limits: Limits
    model: str
    """What is dialled next."""
    second_model: str | None
    spread: float
    """From 0 to 1, drawn for this call: calls that fail together must not try again together."""
    tries: int = 0

    def delay_s(self, trouble: Trouble) -> float | None:
        """How long to wait before the next try; None when there is to be none."""
        self.tries += 1
        if trouble.is_unknown_model:
            return self._second_model()
        if trouble.is_fatal or self.tries >= self.limits.dial_tries_max:
            return None
        delay_s = trouble.retry_after_s
        if delay_s is None:
            delay_s = self.limits.redial_delay_s + self.spread * self.limits.redial_spread_s
        return delay_s if delay_s <= self.limits.redial_delay_max_s else None

    def _second_model(self) -> float | None:
        if self.second_model is None or self.model == self.second_model:
            return None
        self.model = self.second_model
        self.tries = 0
        return 0.0
