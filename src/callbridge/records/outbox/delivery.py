"""One event for one receiver, and what became of it. Types only."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callbridge.records.outbox.events import Event


class DeliveryState(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    """It is to be sent, at once or later."""
    DONE = "done"
    DEAD = "dead"
    """It is not tried again by itself."""
    SKIPPED = "skipped"
    """The receiver's template wants nothing sent of it."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to deliver."""

    at: float
    code: int | None
    """Of HTTP; nothing where no answer came."""
    error: str = ""
    took_ms: int = 0


class Delivery(msgspec.Struct, frozen=True):
    """One event for one receiver."""

    id: int
    webhook: str
    """The receiver's name."""
    event: Event
    state: DeliveryState
    failed: int
    """How many attempts have failed since it was last told to be sent."""
    due_at: float
    last_code: int | None
    last_error: str
    settled_at: float | None
    attempts: tuple[Attempt, ...]
    lease: str = ""


class Settled(msgspec.Struct, frozen=True):
    """What became of a delivery that was claimed."""

    delivery: Delivery
    attempt: Attempt | None = None
    """Nothing where none was made: it is for others to claim."""
    state: DeliveryState = DeliveryState.PENDING
    due_at: float = 0.0
    """When it is tried again, where it is pending."""


class Filter(msgspec.Struct, frozen=True):
    """Which deliveries are meant."""

    state: DeliveryState | None = None
    webhook: str = ""
    call_sid: str = ""
    limit: int = 50
