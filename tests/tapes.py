"""Calls in virtual time that are taped: what their tapes say, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbridge.call.tapes.taping import Tape, TapedMachine
from callbridge.call.tapes.text import lines_of

if TYPE_CHECKING:
    from callbridge.call.tapes.entries import Entry
    from worlds import World


def taped(world: World, code: str = "") -> list[bytes]:
    """Plays a call to its end; answers the tapes of its streams, one behind the other."""
    tapes: list[list[Entry]] = []

    def machine(*of: Any, **parts: Any) -> TapedMachine:
        tapes.append([])
        return TapedMachine(*of, **parts, tape=Tape(tapes[-1].extend, "1.2.3", code))

    world.machine = machine
    world.run()
    for stream in world.streams:
        if stream.entrance.call is not None:
            stream.entrance.call.close(world.now)
    return [line for tape in tapes for line in lines_of(tape)]
