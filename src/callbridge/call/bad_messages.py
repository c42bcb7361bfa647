"""When a peer has sent too much that nobody can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.call.events import BadMessage
    from callbridge.call.limits import Limits


@dataclass(slots=True)
class BadMessages:
    """The messages of one peer that nobody could read, as far as they still count against it.

    A peer that says something strange now and then speaks the protocol. One that says so much of it in so
    short a time does not, however long the call.
    """

    is_first: bool = True
    """None has come yet. Only the first is noted, the rest are counted: a peer may send nothing else."""
    _at: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._at)

    def add(self, now: float, limits: Limits) -> bool:
        """One more. Answers whether it is one too many."""
        self.is_first = False
        since = now - limits.bad_messages_within_s
        self._at = [*(at for at in self._at if at > since), now]
        return len(self._at) > limits.bad_messages_max

    def in_words(self, latest: BadMessage) -> str:
        """What was sent, where that ends the leg: the one that is bad enough alone, or so many of them."""
        return latest.why if latest.is_fatal else f"{len(self)} bad messages: {latest.why}"

    def clear(self) -> None:
        """Another peer stands in its place, which has sent none yet."""
        self._at.clear()
        self.is_first = True
