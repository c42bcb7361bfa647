"""`kill -9` of processes that keep records: of what was not acknowledged only the last moment is missing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import busy_process
from callbridge.records.database import Database
from callbridge.records.leases import LEASE_S
from callbridge.records.migrating import migrate
from callbridge.records.reading import Records
from callbridge.records.reaping import Reaper
from callbridge.records.shipping import Shipping
from callbridge.state.sqlite_state import SqliteState
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROCESSES = 2
"""With the same files at a time, as at a deploy."""

MISSING_S_MAX = 1.0
"""Rows wait 50 ms for others, and a commit takes some milliseconds; this machine is shared."""


@dataclass
class Truth:
    """What a killed process had said, outside of it."""

    facts: list[tuple[str, str, int]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    """When each was heard of here."""
    acknowledged: int = 0
    errors: str = ""


def watch(state: Path, url: str, name: str, seed: int, kill_after_s: float) -> Truth:
    """Runs a process and kills it so long after its first acknowledgement."""
    truth = Truth()
    command = [sys.executable, busy_process.__file__, str(state), url, name, str(seed)]
    sources = os.pathsep.join(str(Path(__file__).parents[2] / part) for part in ("src", "tests"))
    environment = {**os.environ, "PYTHONPATH": sources}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        assert process.stderr is not None
        killer = threading.Timer(kill_after_s, os.kill, [process.pid, signal.SIGKILL])
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # Killed in the middle of a word.
            match line.split():
                case ["n", call_sid, source, number]:
                    truth.facts.append((call_sid, source, int(number)))
                    truth.at.append(time.monotonic())
                case ["k", count]:
                    if not truth.acknowledged:
                        killer.start()
                    truth.acknowledged = int(count)
        truth.errors = process.stderr.read()
        killer.cancel()
    return truth


def assert_whole(folder: Path) -> None:
    """Every file opens."""
    for path in folder.glob("*.db"):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def rows_left(path: Path) -> int:
    """What has not arrived yet. Not asked through the journal, which has no row while the file is busy."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])


async def recover(folder: Path, url: str) -> None:
    """What the next process does: it ships what is left, and ends what nobody carries any more."""
    state, database = SqliteState(folder / "state.db"), Database(url)
    shipping = Shipping(database, state.journal, "the next")
    shipping.start()
    assert await until(lambda: rows_left(folder / "state.db") == 0, 60)
    now = 0.0
    reaper = Reaper(database, "the next", quiet_s=3600.0, now=lambda: now)
    for _ in range(4):
        await asyncio.to_thread(reaper.look)
        now += LEASE_S / 2
    while await asyncio.to_thread(reaper.look):
        pass
    await asyncio.to_thread(shipping.stop, 5)
    database.close()
    await state.close()


def missing_s(truth: Truth, kept: set[tuple[str, str, int]]) -> float:
    """How old the oldest fact was that is missing, when its process was killed."""
    missing = [at for fact, at in zip(truth.facts, truth.at, strict=True) if fact not in kept]
    return truth.at[-1] - missing[0] if missing else 0.0


def assert_kept(url: str, truths: Sequence[Truth]) -> float:
    """Answers how much the worst kill has cost, in seconds before it."""
    kept, ends = set[tuple[str, str, int]](), list[str]()
    sids = {call_sid for truth in truths for call_sid, _, _ in truth.facts}
    with contextlib.closing(Database(url)) as database:
        records = Records(database)
        for call_sid in sids:
            rows = [row for row in records.facts(call_sid) if row.source.startswith("MZ")]
            numbers = sorted(row.number for row in rows)
            assert numbers == list(range(1, len(numbers) + 1)), "the facts of a source have no hole"
            kept |= {(call_sid, row.source, row.number) for row in rows}
            if rows:
                story = records.story(call_sid)
                assert story is not None
                ends.append(f"{story.state}: {story.end_reason}")
    for truth in truths:
        assert truth.errors == ""
        assert set(truth.facts[: truth.acknowledged]) <= kept, "what was acknowledged is there"
    assert {"ended: process_lost"} <= {*ends} <= {"ended: caller_hangup", "ended: process_lost"}
    return max(missing_s(truth, kept) for truth in truths)


async def survive(folder: Path, url: str, *, rounds: int, seed: int) -> float:
    """Each round finds the files as the kills of the one before have left them."""
    rng, truths = random.Random(seed), list[Truth]()
    with contextlib.closing(Database(url)) as database:
        await asyncio.to_thread(migrate, database)
    for number in range(rounds):
        names = [f"{seed:x}r{number}p{process}x" for process in range(PROCESSES)]
        with ThreadPoolExecutor(PROCESSES) as watchers:
            running = [
                asyncio.wrap_future(
                    watchers.submit(
                        watch, folder / "state.db", url, name, rng.randrange(1000), rng.uniform(0, 0.6)
                    )
                )
                for name in names
            ]
            truths += await asyncio.gather(*running)
        assert_whole(folder)
    await recover(folder, url)
    return assert_kept(url, truths)


@pytest.mark.heavy
@pytest.mark.usefixtures("nothing_left", "without_debugging")
async def test_what_was_acknowledged_survives_ten_kills(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    worst_s = await survive(tmp_path, f"sqlite:///{tmp_path}/records.db", rounds=5, seed=1)
    figures(
        f"10 times kill -9 under records of 80 calls: at most the last {worst_s * 1000:.0f} ms are missing"
    )
    assert worst_s <= MISSING_S_MAX


@pytest.mark.long
@pytest.mark.usefixtures("nothing_left", "without_debugging")
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
@pytest.mark.parametrize("seed", range(2, 12))
async def test_what_was_acknowledged_survives_two_hundred_kills(
    tmp_path: Path, request: pytest.FixtureRequest, seed: int, store: str, figures: Callable[[str], None]
) -> None:
    """Ten kills each."""
    url = (
        f"sqlite:///{tmp_path}/records.db"
        if store == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    worst_s = await survive(tmp_path, url, rounds=5, seed=seed)
    figures(f"10 kills, seed {seed}, {store}: at most the last {worst_s * 1000:.0f} ms are missing")
    assert worst_s <= MISSING_S_MAX
