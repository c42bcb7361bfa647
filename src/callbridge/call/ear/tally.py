"""What was counted of one stream: facts and deadlines read it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from callbridge.call.bad_messages import BadMessages
from callbridge.call.ear.loudness import Loudness
from callbridge.wire.audio import milliseconds


@dataclass(slots=True)
class Tally:
    """The counts of one stream."""

    frames_from_phone: int = 0
    loudness: Loudness = field(default_factory=Loudness)
    frames_to_model: int = 0
    frames_dropped: int = 0
    uplink_bytes: int = 0
    """Caller audio appended to the present session: the clock of the model's `audio_*_ms`."""
    frames_to_phone: int = 0
    downlink_bytes: int = 0
    from_model_at: float = -math.inf
    """When anything of the model's came last, audio included."""
    deltas_dropped: int = 0
    """Deltas of muted responses: late audio that must not be heard."""
    unknown_events: int = 0
    starts_repeated: int = 0
    errors: int = 0
    """Error events of the model."""
    bad_from_phone: BadMessages = field(default_factory=BadMessages)
    """What nobody could read of the phone, from before there was a call."""

    @property
    def uplink_ms(self) -> int:
        """Milliseconds of caller audio in the model's hands."""
        return milliseconds(self.uplink_bytes)
