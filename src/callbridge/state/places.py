"""Which calls a caller has, over all processes: the bounds, what is counted, and who asks for a place.

A place is one live call. It counts while it is reserved, and while the process that carries it is alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

RESERVED_S: Final = 15.0
"""Between Twilio's webhook and the stream that it leads to lie a second or two, and never so many."""

TEN_MINUTES_S: Final = 600.0
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class CallerCounts:
    """The calls of one caller before this one, over all processes."""

    live: int = 0
    in_10_minutes: int = 0
    """Begun in the ten minutes before this one, live or not."""
    in_day: int = 0
    """So in 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerBounds:
    """What one caller may have; 0 stands for no limit."""

    at_once: int = 0
    per_10_minutes: int = 0
    per_day: int = 0

    def allows(self, counts: CallerCounts) -> bool:
        """Whether one more call is within all of them."""
        bounds = (
            (self.at_once, counts.live),
            (self.per_10_minutes, counts.in_10_minutes),
            (self.per_day, counts.in_day),
        )
        return all(limit <= 0 or count < limit for limit, count in bounds)


class Places(Protocol):
    """Keeps them. No method raises because of a disk, a file or a database."""

    async def claim_place(
        self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float
    ) -> bool | None:
        """Whether this caller may have one more call; judged and noted in one step over all processes.

        If so the call has a place, reserved by this process for `RESERVED_S`, and its start is noted. A call
        that has one, or had one, keeps it and is counted once. None: it cannot be judged now.

        Args:
            call_sid: which call.
            caller_key: whose.
            bounds: what this caller may have.
            at: when it began, in seconds since 1970.
        """

    def carry(self, call_sid: str, caller_key: str) -> None:
        """Queues that a stream of the call runs in this process from now on, also of one that came back.

        Where it is written late, whoever has taken the call up since then carries it.
        """

    def keep_place(self, call_sid: str, for_s: float) -> None:
        """Queues that its stream has ended here and another one is to come, in this time at most.

        Nothing happens where another process carries the call by now.
        """

    def free_place(self, call_sid: str) -> None:
        """Queues that the call is over."""

    def give_back_place(self, call_sid: str) -> None:
        """Queues that the call is not taken here: what this process has reserved is not needed.

        Nothing happens where another process has reserved it, or a stream of the call runs by now.
        """
