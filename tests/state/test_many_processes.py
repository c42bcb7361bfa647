"""Several processes with one home, all at once: nothing clashes, and each thing is had once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.state.callers import CallerRecord
from callbridge.state.text_notes import NoteKind, TextNote

if TYPE_CHECKING:
    from state.conftest import Opening

CALL = "CA" + "1" * 32
FAR = 4e9


async def test_numbers_of_a_call_do_not_clash(opening: Opening) -> None:
    """Each process's events stay in its order, and all have numbers without a gap."""
    states = [opening(f"process-{number}") for number in range(3)]
    for round_ in range(20):
        for number, state in enumerate(states):
            state.append(CALL, "turn_ended", b"%d %d" % (number, round_))
            state.append(f"CA{round_ % 2}", "turn_ended", b"")
        await asyncio.sleep(0)
    assert all(await asyncio.gather(*(state.flush() for state in states)))
    events = await states[0].events(CALL)
    assert [event.sequence for event in events] == list(range(1, 61))
    for number in range(3):
        own = [event.body for event in events if event.body.startswith(b"%d " % number)]
        assert own == [b"%d %d" % (number, round_) for round_ in range(20)]
    for call_sid in ("CA0", "CA1"):
        assert len(await states[1].events(call_sid)) == 30


async def test_a_token_is_claimed_once(opening: Opening) -> None:
    states = [opening(f"process-{number}") for number in range(3)]
    digests = [b"%d" % number for number in range(30)]
    claims = [state.claim_token(digest, FAR) for digest in digests for state in states]
    answers = await asyncio.gather(*claims)
    assert [sum(answers[at : at + 3]) for at in range(0, 90, 3)] == [1] * 30


async def test_wishes_of_a_caller_that_two_processes_hear_of_are_one(opening: Opening) -> None:
    """The last one that is written stands."""
    one, other = opening("one"), opening("other")
    for state in (one, other) * 5:
        state.remember("caller", "agent", CallerRecord(5.0, b"1"))
        state.note_text(TextNote("caller", 1.0, NoteKind.STOPPED))
        state.note_text(TextNote("caller", 2.0, NoteKind.STARTED))
    assert all(await asyncio.gather(one.flush(), other.flush()))
    assert [note.kind for note in await one.texts("caller", 0.0)] == [NoteKind.STARTED]
