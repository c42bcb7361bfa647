"""A call that was taped is played again: the same code does the same, other code is found out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from callbridge.call.tapes.taping import Tape, TapedMachine
from callbridge.call.tapes.text import lines_of
from callbridge.records.replaying import Replayed, play, read
from random_calls import faulty_world, random_world

if TYPE_CHECKING:
    from callbridge.call.machine import CallMachine
    from callbridge.call.tapes.entries import Entry
    from worlds import World


def taped(world: World) -> list[bytes]:
    """Plays a call in virtual time; answers the tapes of its streams as text."""
    lines: list[bytes] = []

    def machine(*of: object, **parts: object) -> CallMachine:
        pieces: list[Entry] = []

        def takes(piece: list[Entry]) -> None:
            pieces.extend(piece)
            if is_last:
                lines.extend(lines_of(pieces))

        return TapedMachine(*of, **parts, tape=Tape(takes))  # type: ignore[arg-type]

    world.machine = machine
    world.run()
    for stream in world.streams:
        if stream.entrance.call is not None:
            stream.entrance.call.close(world.now)
    return lines


def replayed(lines: list[bytes]) -> list[Replayed]:
    return [play(tape) for tape in read(lines)]


@pytest.mark.parametrize(
    "make", [*(partial(faulty_world, seed) for seed in range(40)), partial(random_world, 1, keys=True)]
)
def test_a_call_that_is_played_again_is_the_same(make) -> None:
    streams = replayed(taped(make()))
    assert streams
    for stream in streams:
        assert stream.differences == ()
        assert stream.events > 10
