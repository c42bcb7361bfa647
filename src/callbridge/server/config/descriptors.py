"""File descriptors: what those that the process may have are spent on.

Without them nobody is heard: a call cannot reach its model, a webhook not even be refused in words. So they
are counted before: the limit says how many calls are taken, and how many connections stay beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

OWN: Final = 56
"""At rest it has 30 with all that is kept switched on (measured): the log, the state, the records, the event
loop, what it listens on. 16 are for operators, the rest for name servers and for tools that open files."""

PER_CALL: Final = 3
"""The phone's socket, the model's, and a second one while one session takes the place of another."""

PER_RECORDED_CALL: Final = PER_CALL + 1
"""With the file of its recording."""

REQUESTS_MIN: Final = 16
"""Connections for requests, in the smallest room in which calls are taken."""

REQUESTS_MAX: Final = 2048
"""Twilio and a proxy have some dozen. An idle one costs 8 KiB (measured): these are 16 MiB."""

BACKLOG_MAX: Final = 256
"""Connections that one turn of the event loop accepts, before the first of them can be dropped: 25 ms."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a number of descriptors allows."""

    calls_max: int
    """Calls at once; not above what was asked for. 0: there is no room for any."""
    connections_max: int
    """Connections at once, with the phones of the calls among them."""
    backlog: int
    """Connections that may wait to be accepted: each has a descriptor before it is counted."""

    @classmethod
    def of(cls, descriptors: int, calls_max: int, per_call: int = PER_CALL) -> Self:
        """The room for at most `calls_max` calls."""
        calls = max(0, min(calls_max, (descriptors - OWN - REQUESTS_MIN) // per_call))
        left = max(REQUESTS_MIN, descriptors - OWN - calls * per_call)
        backlog = min(BACKLOG_MAX, left // 4)
        return cls(calls, calls + min(REQUESTS_MAX, left - backlog), backlog)


def needed(calls_max: int, per_call: int = PER_CALL) -> int:
    """The least number of descriptors for so many calls."""
    return OWN + REQUESTS_MIN + per_call * calls_max


def per_call(*, is_recorded: bool) -> int:
    """What one call may have."""
    return PER_RECORDED_CALL if is_recorded else PER_CALL
