"""What audio may pass. Written by the machine, obeyed by the relay for every frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Uplink(Enum):
    """What becomes of caller audio."""

    UNSTARTED = "unstarted"
    """No stream yet: media is a protocol fault, and the relay hands it to the entrance."""
    HELD = "held"
    """Buffered until the model is ready."""
    OPEN = "open"
    SHUT = "shut"
    """The call is ending: dropped and counted."""


@dataclass(slots=True)
class Gate:
    """The gate of one stream."""

    uplink: Uplink = Uplink.UNSTARTED
    held_ms_max: int = 0
    """How much caller audio is kept while the uplink is held; beyond it the oldest is dropped."""
    resends: bool = False
    """While the uplink is held: the next session also gets what the last one may not have heard."""
    model_hears: bool = False
    """The model says that the caller speaks. While it does not, what they say may have to be said again."""
    audible_response_id: str | None = None
    """The one response whose audio may reach the phone. Late deltas of any other are dropped."""
