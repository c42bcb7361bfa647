"""What is told to whoever records a call: the caller's frames as they came, and what was sent to them.

Times are those of the ledger, monotonic seconds. The messages of the phone themselves, as text or bytes,
stand between these; everything is in the order in which it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Played:
    """Audio was sent to the phone."""

    at: float
    run: int
    """Which unbroken stretch of audio it belongs to."""
    run_began_at: float
    begin: int
    """Where in it the audio begins, in bytes."""
    audio: bytes


@dataclass(frozen=True, slots=True)
class Echoed:
    """The phone has played a run so far, or had so when this came."""

    at: float
    run: int
    position: int
    """In bytes of the run."""
    due_at: float
    """When it was to be played at the earliest, by the clock of the ledger."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The phone was cleared."""

    at: float
    run: int
    heard_bytes: int
    """Of the run: the rest will not be heard."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is recorded from here on, or again."""

    at: float
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The stream is over."""

    at: float
    is_by_phone: bool = False
    """The phone has ended it: what was sent since has not been heard."""


Entry: TypeAlias = str | bytes | Played | Echoed | Cut | Pause | End
