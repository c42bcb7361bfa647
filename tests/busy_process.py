"""A process that keeps records of busy calls until it is killed, and says what it has done.

`python busy_process.py STATE RECORDS_URL NAME SEED`. A line is written by one system call, so the last one
that a reader gets is whole or recognisably not: `n SID SOURCE NUMBER` before a fact is noted, `k COUNT` when
all of the first COUNT facts are on disk.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from busy_calls import BusyCalls
from callbridge.observe.redaction import redaction
from callbridge.records.database import Database
from callbridge.records.keeping import Keeping
from callbridge.server.process.keeping.records import RecordKeeping
from callbridge.state.sqlite_state import SqliteState

if TYPE_CHECKING:
    from callbridge.call.facts import Fact


def say(line: str) -> None:
    """To whoever watches; not lost when this process is killed."""
    os.write(1, f"{line}\n".encode())


async def run(state_path: Path, url: str, name: str, seed: int) -> None:
    """Forty calls, of which some end and others begin, with a flush now and then, as a tool has it."""
    state, noted = SqliteState(state_path), 0
    keeping = Keeping(
        words=True, numbers=True, redaction=redaction(()), key_of=lambda number: f"key of {number}"
    )
    records = RecordKeeping(Database(url), state, keeping, (), (), 3600.0, time.time)
    records.begin()
    rng = random.Random(seed)

    def note(fact: Fact) -> None:
        nonlocal noted
        say(f"n {fact.call_sid} {fact.source} {fact.number}")
        noted += 1
        records.note(fact)

    busy = BusyCalls(40, note, name, rng, facts_max=5)
    while True:
        busy.go_on(rng.randrange(4))
        if noted and rng.random() < 0.1:
            so_far = noted
            assert await state.flush(), state.trouble
            say(f"k {so_far}")
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
