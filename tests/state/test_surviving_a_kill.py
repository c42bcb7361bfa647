"""`kill -9` in the middle of writing: the file opens, and holds all that was acknowledged."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callbridge.state.sqlite_state import SqliteState

WRITER = """
import asyncio, sys
from pathlib import Path
from callbridge.state.sqlite_state import SqliteState

async def main(path, own_call):
    state = SqliteState(Path(path))
    number = 0
    while True:
        number += 1
        state.append(own_call, "turn_ended", b"%d" % number)
        state.append("shared", "turn_ended", own_call.encode())
        await state.flush()
        assert state.trouble is None, state.trouble
        print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def killed_after(path: Path, call_sids: list[str], choice: random.Random) -> dict[str, int]:
    """Lets processes write to one file until each is killed; answers the last number each acknowledged."""
    acknowledged = dict.fromkeys(call_sids, 0)
    errors: dict[str, str] = {}

    def watch(call_sid: str, kill_after_s: float) -> None:
        command = [sys.executable, "-c", WRITER, str(path), call_sid]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603 - our own
            assert process.stdout is not None
            assert process.stderr is not None
            killer = threading.Timer(kill_after_s, os.kill, [process.pid, signal.SIGKILL])
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # Killed in the middle of a word.
                if not acknowledged[call_sid]:
                    killer.start()
                acknowledged[call_sid] = int(line)
            errors[call_sid] = process.stderr.read()
            killer.cancel()

    with ThreadPoolExecutor(len(call_sids)) as watchers:
        list(watchers.map(watch, call_sids, [choice.uniform(0, 0.15) for _ in call_sids]))
    assert errors == dict.fromkeys(call_sids, "")
    return acknowledged


async def assert_survived(path: Path, acknowledged: dict[str, int]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    state = SqliteState(path)
    for call_sid, last in acknowledged.items():
        events = await state.events(call_sid)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.body for event in events] == [b"%d" % number for number in range(1, len(events) + 1)]
        assert last <= len(events) <= last + 1
    shared = await state.events("shared")
    assert [event.sequence for event in shared] == list(range(1, len(shared) + 1))
    await state.close()


async def survive(path: Path, *, rounds: int, processes: int, seed: int) -> None:
    """Each round finds the file as the kills of the one before have left it."""
    choice = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for number in range(rounds):
        calls = [f"call-{number}-{process}" for process in range(processes)]
        acknowledged |= killed_after(path, calls, choice)
        await assert_survived(path, acknowledged)
    assert all(acknowledged.values())


@pytest.mark.heavy
async def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    """Eight kills: four processes at a time write to one file."""
    await survive(tmp_path / "state.db", rounds=2, processes=4, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_what_was_acknowledged_survives_thirty_kills(tmp_path: Path, seed: int) -> None:
    await survive(tmp_path / "state.db", rounds=5, processes=2, seed=seed)
