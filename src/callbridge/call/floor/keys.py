"""The keys that the caller has pressed, until the model is told of them as one message.

Every message is answered, and an answer costs money and the account's rate: so there is one in two seconds
and ten in a minute, however fast somebody presses keys. What is pressed meanwhile is told with the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.floor.pace import Pace
from callbridge.call.wants import KeysWanted

if TYPE_CHECKING:
    from callbridge.call.limits import Limits


class Keys:
    """Pressed, and not yet told."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._told = Pace(limits.keys_told_per_minute_max)
        self._led = Pace(limits.menu_keys_per_minute_max)
        self.pressed = ""
        self.finished_at: float | None = None
        """When they are taken as finished; None while there are none, or they wait for something else."""
        self.held_since: float | None = None
        """Since when they are finished, and nobody could be told; None otherwise. Who is still pressing keys
        does not wait for an answer to them."""
        self._put_off_until: float | None = None
        """They are finished, and others were told too lately; None otherwise."""
        self.wanted = KeysWanted()
        """How the agent wants them put together."""

    @property
    def due_at(self) -> float | None:
        """When they are to be told, or to be looked at again."""
        return self._put_off_until if self.finished_at is None else self.finished_at

    @property
    def are_being_pressed(self) -> bool:
        """Whether the next key belongs to those before it."""
        return self.finished_at is not None

    def may_lead(self, now: float) -> bool:
        """Whether a key that means something by itself is followed, now that it is pressed."""
        is_free = self._led.free_at(self._limits.menu_keys_per_minute_max) <= now
        if is_free:
            self._led.note(now)
        return is_free

    def press(self, digit: str, now: float) -> None:
        """One more. The key that ends them does so at once, others after a pause; one too many is dropped."""
        if len(self.pressed) < self._limits.keys_pressed_max:
            self.pressed += digit
            are_enough = digit == self.wanted.end or len(self.pressed) == self.wanted.length_max
            pause_s = self.wanted.pause_s or self._limits.keys_timeout_s
            self.finished_at = now if are_enough else now + pause_s

    def hold(self, now: float) -> None:
        """They are finished, and there is no session that could be told."""
        self.finished_at = self._put_off_until = None
        self.held_since = now if self.held_since is None else self.held_since

    def put_off(self, now: float) -> bool:
        """They are finished. Answers whether they have to wait all the same: others were told lately."""
        limits, told = self._limits, self._told
        until = max(told.latest_at + limits.keys_gap_s, told.free_at(limits.keys_told_per_minute_max))
        self.finished_at, self._put_off_until = None, until if until > now else None
        return until > now

    def tell(self, now: float) -> str:
        """Hands them over: they are told now."""
        self._told.note(now)
        keys = self.pressed
        self.forget()
        return keys

    def forget(self) -> None:
        """They are told, or will not be."""
        self.pressed = ""
        self.finished_at = self.held_since = self._put_off_until = None
