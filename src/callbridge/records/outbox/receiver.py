"""What the outbox knows of whoever is told, of whatever kind. Types only."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Somebody who is told: a webhook, or a stream of NATS."""

    @property
    def name(self) -> str:
        """What it is called in lists; what it was told is kept under this name."""

    @property
    def address(self) -> str:
        """Where it is: another address is another receiver. It may be a secret."""

    @property
    def keeps_order(self) -> bool:
        """Whether what comes of one call is told in its order, however long one part of it takes."""

    def wants(self, kind: str) -> bool:
        """Whether it is told of events of this kind."""
