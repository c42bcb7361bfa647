"""What processes with one state tell each other, and how they know who is alive.

Nothing here knows what is told. Whoever is told of something that it does not know leaves it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RENEWED_EVERY_S: Final = 5.0

LEASE_S: Final = 15.0
"""A process is alive for so long after it has said so last, by the clock of what keeps the state."""

FORGOTTEN_S: Final = 60.0
"""Nobody waits any longer for what is told to a process that is gone, or for a reservation."""

MESSAGE_BYTES_MAX: Final = 64 * 1024


def new_process(machine: str = "") -> str:
    """A name for this start of callbridge, with that of its machine before it."""
    start = secrets.token_hex(8)
    return f"{machine}-{start}" if machine else start


def machine_of(process: str) -> str:
    """On which machine a process runs, by its name; empty where that does not say it (an older version)."""
    return process.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class ToCarrier:
    """For the process that carries a call."""

    call_sid: str
    what: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ToAll:
    """For every process but the one that tells it."""

    what: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class SpentElsewhere:
    """Another process noted that money was spent."""

    at: float
    """In seconds since 1970."""
    microdollars: int


News: TypeAlias = ToCarrier | ToAll | SpentElsewhere


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """Another process that is alive."""

    process: str
    is_leaving: bool
    """It takes no more calls."""
    calls: int
    """How many it carries."""


class Neighbours(Protocol):
    """The other processes. No method raises because of a disk, a file or a database."""

    @property
    def process(self) -> str:
        """The name of this start of callbridge: another one at every start."""

    def tell_carrier(self, call_sid: str, what: str, body: bytes = b"") -> None:
        """Queues a message for the process that carries the call when it is written; if it is another one.

        To tell the one before, tell first and `carry` then: what is queued is written in order.
        """

    def tell_all(self, what: str, body: bytes = b"") -> None:
        """Queues a message for all other processes that are alive when it is written."""

    def news(self) -> AsyncIterator[News]:
        """What others tell, each once, those of one process in order. It ends when the state is closed.

        Of what others spend, all that the first answer of `State.spend` did not have which was given without
        trouble. For one reader.
        """

    async def others(self) -> tuple[ProcessSeen, ...]:
        """The other processes that are alive; none while that cannot be read."""

    def say(self, *, is_leaving: bool) -> None:
        """Lets the others know whether this process takes calls. Soon, not at once."""
