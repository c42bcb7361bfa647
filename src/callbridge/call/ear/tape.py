"""What is told to whoever records a call: the caller's frames as they came, and what was sent to them.

Times are those of the ledger, monotonic seconds. The messages of the phone themselves, as text or bytes,
stand between these; everything is in the order in which it happened.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Played(msgspec.Struct, frozen=True, gc=False):
    """Audio was sent to the phone."""

    at: float
    run: int
    """Which unbroken stretch of audio it belongs to."""
    run_began_at: float
    begin: int
    """Where in it the audio begins, in bytes."""
    audio: bytes


class Echoed(msgspec.Struct, frozen=True, gc=False):
    """The phone has played a run so far, or had so when this came."""

    at: float
    run: int
    position: int
    """In bytes of the run."""
    due_at: float
    """When it was to be played at the earliest, by the clock of the ledger."""


class Cut(msgspec.Struct, frozen=True, gc=False):
    """The phone was cleared."""

    at: float
    run: int
    heard_bytes: int
    """Of the run: the rest will not be heard."""


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Nothing is recorded from here on, or again."""

    at: float
    is_over: bool = False


class End(msgspec.Struct, frozen=True, gc=False):
    """The stream is over."""

    at: float
    is_by_phone: bool = False
    """The phone has ended it: what was sent since has not been heard."""


Entry: TypeAlias = str | bytes | Played | Echoed | Cut | Pause | End
