"""Which session of the model is of which caller: each caller's first frame has a number in its silence. Pure.

µ-law has two silences, +0 and -0, which nobody can tell apart by ear. A bridge that passes audio through
unchanged hands the number on to the model, whose journal then says whose session it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone.caller import Act
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.simulators.phone.caller import Caller, Ear

_ZERO, _ONE = 0xFF, 0x7F
"""+0 and -0."""

BITS: Final = 32


def stamp(number: int) -> bytes:
    """A frame of silence that carries a number; five times over, so that nothing else looks like it."""
    bits = [_ONE if number >> bit & 1 else _ZERO for bit in range(BITS)]
    return bytes(bits) * (FRAME_BYTES // BITS)


def stamped(frame: bytes) -> int | None:
    """The number in a frame; None where there is none."""
    if len(frame) != FRAME_BYTES or set(frame) - {_ZERO, _ONE}:
        return None
    number = sum(1 << bit for bit, code in enumerate(frame[:BITS]) if code == _ONE)
    return number if number and frame == stamp(number) else None


class Stamped:
    """A caller whose first frame carries their number, which is not 0. Words in it go before."""

    def __init__(self, caller: Caller, number: int) -> None:
        assert 0 < number < 1 << BITS, "0 is plain silence"
        self._caller, self._number = caller, number
        self._has_begun = False

    def next_frame(self, ear: Ear) -> Act:
        """The caller's next 20 ms."""
        act = self._caller.next_frame(ear)
        if self._has_begun or act.departure is not None:
            return act
        self._has_begun = True
        return act if act.audio else Act(stamp(self._number), act.key, around=act.around)

    @property
    def complaints(self) -> Sequence[str]:
        """What went against the caller's plan."""
        return self._caller.complaints

    @property
    def is_done(self) -> bool:
        """Whether the caller has said and done everything."""
        return self._caller.is_done
