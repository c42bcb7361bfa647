"""What is kept of a caller from one call to the next: `CallerMemory` and its record.

Callers are known by a key that is no number. Nothing here knows what a record says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

RECORD_BYTES_MAX: Final = 128 * 1024
"""A summary and the values of a call take 20 KB as a rule, and more in other scripts."""

GOING_ON_BYTES_MAX: Final = 256 * 1024
"""What it takes to go on with a call: an hour of quick talk takes about 100 KB."""

GOES_ON_WITHIN_S: Final = 600.0
"""A caller who was cut off and calls again within this time goes on where they were."""

CALLERS_IN_MEMORY_MAX: Final = 1_000
"""Without a file the caller who has not called for the longest time is forgotten above it."""


@dataclass(frozen=True, slots=True)
class CallerRecord:
    """What is remembered of a caller's last call."""

    at: float
    """When it ended, in seconds since 1970."""
    body: bytes
    going_on: bytes = b""
    """What it takes to go on with it; dropped after `GOES_ON_WITHIN_S`."""

    def as_of(self, now: float, kept_s: float) -> CallerRecord | None:
        """What may be known of it at `now`. A time ahead of `now` is another machine's clock."""
        age_s = now - self.at
        if age_s >= kept_s:
            return None
        return replace(self, going_on=b"") if age_s >= GOES_ON_WITHIN_S else self


class CallerMemory(Protocol):
    """Keeps one record of a caller for each `agent`. No method raises because of a disk or a file."""

    def remember(self, caller_key: str, agent: str, record: CallerRecord) -> None:
        """Queues a record, in place of the one before: the last who writes wins."""

    async def recall(self, caller_key: str, agent: str, now: float) -> CallerRecord | None:
        """What this agent may know of the caller at `now`; nothing while the file cannot be read."""

    def forget(self, caller_key: str) -> None:
        """Queues that all of it is deleted."""
