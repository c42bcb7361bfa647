"""The keys that the caller has pressed, until the model is told of them as one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.call.limits import Limits


@dataclass(slots=True)
class Keys:
    """Pressed, and not yet told."""

    limits: Limits
    pressed: str = ""
    finished_at: float | None = None
    """When they are taken as finished; None while there are none, or nobody who could be told."""
    held_since: float | None = None
    """Since when they are finished, and nobody could be told; None otherwise. Who is still pressing keys does
    not wait for an answer to them."""

    def press(self, digit: str, now: float) -> None:
        """One more. `#` ends them at once, anything else after a pause."""
        self.pressed += digit
        self.finished_at = now if digit == "#" else now + self.limits.keys_timeout_s

    def hold(self, now: float) -> None:
        """They are finished, and there is no session that could be told."""
        self.finished_at = None
        self.held_since = now if self.held_since is None else self.held_since

    def take(self) -> str:
        """Hands them over, and forgets them."""
        keys, self.pressed, self.finished_at, self.held_since = self.pressed, "", None, None
        return keys
