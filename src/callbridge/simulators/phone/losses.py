"""A network that loses some of the caller's frames before Twilio gets them.

Pure and from a seed. Packets are lost between the caller and Twilio, where audio travels by RTP; from Twilio
to the bridge it travels by TCP, where nothing is lost, and what is late holds up what comes behind it
(`media_socket.Network`). So a loss is heard, and no bridge ever sees half a message.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from callbridge.simulators.phone.voice_activity import SILENT_FRAME
from callbridge.simulators.sounds import attenuated, mixed
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.simulators.phone.caller import Act, Caller, Ear

CONCEALED_DB: Final = (0.0, 4.0, 10.0)
"""How much softer the last good frame is heard in the place of each that is lost after it; then silence. So
fades G.711's own concealment, in 60 ms (ITU-T G.711 Appendix I)."""


@dataclass(frozen=True, slots=True)
class Losses:
    """How many frames are lost, and what Twilio makes of it."""

    percent: float
    heard_as: Literal["concealed", "silent", "missing"] = "concealed"
    """What stands in the place of a lost frame: the one before it, softer and softer; silence; or nothing at
    all, so that the next timestamp jumps. Which of them Twilio does, it does not document."""
    burst_frames: float = 2.5
    """How many are lost in a row, on average."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.percent < 50:
            raise ValueError(f"{self.percent} % lost: a call is possible from 0 to under 50")
        if self.burst_frames < 1:
            raise ValueError("frames are lost one by one or in bursts: burst_frames is 1 at least")


class Lossy:
    """A caller whose frames are lost on the way, now and then.

    Args:
        caller: who speaks, with all that is around them.
        losses: how.
    """

    def __init__(self, caller: Caller, losses: Losses) -> None:
        self._caller = caller
        self._losses = losses
        self._rng = random.Random(f"losses {losses.seed}")  # noqa: S311 - a replayable network, no secret
        self._lost = 0
        """So many frames in a row by now."""
        self._good = SILENT_FRAME

    @property
    def complaints(self) -> Sequence[str]:
        """What went against the caller's plan."""
        return self._caller.complaints

    @property
    def is_done(self) -> bool:
        """Whether the caller has said and done everything that they meant to."""
        return self._caller.is_done

    def next_frame(self, ear: Ear) -> Act:
        """What the caller does, and what arrives of it."""
        act = self._caller.next_frame(ear)
        if not self._is_lost():
            self._lost, self._good = 0, _frame_of(act)
            return act
        self._lost += 1
        return msgspec.structs.replace(act, arrives=self._in_its_place())

    def _is_lost(self) -> bool:
        """Gilbert's line: it is good or bad, and stays as it is for a while."""
        ends = 1 / self._losses.burst_frames
        share = self._losses.percent / 100
        begins = ends * share / (1 - share)
        return self._rng.random() < (1 - ends if self._lost else begins)

    def _in_its_place(self) -> bytes:
        if self._losses.heard_as == "missing":
            return b""
        if self._losses.heard_as == "silent" or self._lost > len(CONCEALED_DB):
            return SILENT_FRAME
        return attenuated(self._good, CONCEALED_DB[self._lost - 1])


def _frame_of(act: Act) -> bytes:
    frame = act.audio.ljust(FRAME_BYTES, SILENT_FRAME[:1])
    return mixed(frame, act.around)[:FRAME_BYTES] if act.around else frame
