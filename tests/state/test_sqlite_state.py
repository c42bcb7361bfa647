"""A file under stress: many writers, locks, full disks; nothing of it reaches a call."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

import leftovers
from callbridge.state import stored_state, writer, writer_thread
from callbridge.state.places import CallerBounds
from callbridge.state.sqlite_file import SqliteHome
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import EVENTS_WAITING_MAX, OVER, PRUNE_EVERY_S, QUIET_S, Unwritten
from state.wall_clock import text_in

CALL = "CA" + "1" * 32
FAR = 4e9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def state(path: Path) -> AsyncIterator[SqliteState]:
    opened = SqliteState(path)
    yield opened
    await opened.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process in the middle of its transaction."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("COMMIT")


@contextlib.contextmanager
def told_of(name: str, listener: Callable[..., object]) -> Iterator[None]:
    """Has SQLAlchemy tell of an event of any engine."""
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


@contextlib.contextmanager
def pages_limited() -> Iterator[list[int]]:
    """A disk with room for as many pages as the list says when the file is opened."""
    pages_max = [2**30]

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages_max[0]}")

    with told_of("connect", limit):
        yield pages_max


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for the writer's thread."""
    assert await leftovers.until(is_so)


def stored(path: Path) -> list[tuple[str, int, str, bytes]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT call_sid, sequence, kind, body FROM call_events ORDER BY 1, 2")
        return rows.fetchall()


async def test_what_was_flushed_is_there_for_the_next_process(path: Path) -> None:
    state = SqliteState(path)
    state.append(CALL, "stream_started", b"{}")
    state.note_call("caller", 5.0)
    state.note_spend(6.0, 7)
    assert await state.claim_token(b"a", FAR)
    with contextlib.closing(sqlite3.connect(path)) as connection:  # By the time that it is answered.
        assert connection.execute("SELECT digest FROM used_tokens").fetchall() == [(b"a",)]
    await state.close()
    again = SqliteState(path)
    assert [found.kind for found in await again.events(CALL)] == ["stream_started"]
    assert not await again.claim_token(b"a", FAR)
    await again.close()


async def test_closing_writes_what_waits_and_ends_the_thread(path: Path) -> None:
    state = SqliteState(path)
    for number in range(100):
        state.append(CALL, "turn_ended", b"%d" % number)
    await state.close()
    assert len(stored(path)) == 100
    assert "closed" in str(state.trouble)
    await until(lambda: all(thread.name != "state-writer" for thread in threading.enumerate()))
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # Its log is folded in.


def words(call_sid: str) -> bytes:
    return b"words of %s, " % call_sid.encode()


async def test_no_word_of_a_call_that_is_over_is_left_in_any_file(path: Path) -> None:
    """Neither in the file nor in its log, whoever says that it is over; live calls lie between."""
    now = [1_000_000.0]
    state = SqliteState(path, lambda: now[0])
    over, silent, live = ([f"{kind} {number}" for number in range(12)] for kind in ("over", "silent", "live"))
    for turn in range(12):
        for number, call_sid in enumerate((*over, *silent, *live)):
            kind = ("turn_ended", "remembered", "caller_words_came")[turn % 3]
            state.append(call_sid, kind, words(call_sid) * (1 + (number * turn * 7) % 500))
        await state.flush()
    assert all(words(call_sid) in text_in(path.parent) for call_sid in (*over, *silent))
    for call_sid in over:
        state.append(call_sid, OVER, b"{}")
        state.append(call_sid, "caller_words_came", words(call_sid))
    now[0] += QUIET_S / 2
    for call_sid in live:
        state.append(call_sid, "turn_ended", words(call_sid))
    await state.flush()
    # Only now: the thread prunes as soon as it is time, even between two of the writes above.
    now[0] += QUIET_S / 2 + 1
    await state.flush()  # Wakes it.
    await until(lambda: not any(words(call_sid) in text_in(path.parent) for call_sid in (*over, *silent)))
    assert all([len(await state.events(call_sid)) == 13 for call_sid in live])
    await state.close()


async def test_what_is_deleted_while_somebody_reads_is_overwritten_later(path: Path) -> None:
    """A reader of another process keeps the log from being emptied: the next time does it."""
    now = [1_000_000.0]
    state = SqliteState(path, lambda: now[0])
    state.append(CALL, "turn_ended", words(CALL))
    await state.flush()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM call_events").fetchall()
        state.append(CALL, OVER, b"{}")
        now[0] += PRUNE_EVERY_S
        await state.flush()
        assert words(CALL) in text_in(path.parent)
        reader.execute("COMMIT")
    now[0] += PRUNE_EVERY_S
    state.note_spend(1.0, 1)
    await until(lambda: words(CALL) not in text_in(path.parent))
    assert state.trouble is None
    await state.close()


async def test_the_start_prunes(path: Path) -> None:
    state = SqliteState(path, lambda: 1_000.0)
    state.note_spend(1_000.0, 1)
    await state.close()
    state = SqliteState(path, lambda: 1_000_000.0)
    await state.events(CALL)
    assert await state.spend(0) == ()
    await state.close()


async def test_many_appends_are_few_commits(path: Path, state: SqliteState) -> None:
    await state.events(CALL)
    commits: list[object] = []
    with told_of("commit", commits.append):
        for number in range(2_000):
            state.append(CALL, "turn_ended", b"%d" % number)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await state.flush()
    assert 1 <= len(commits) <= 40
    assert "waiting=0" in repr(state)
    assert "trouble=None" in repr(state)
    assert [row[3] for row in stored(path)] == [b"%d" % number for number in range(2_000)]


async def test_the_loop_goes_on_while_another_process_holds_the_file(path: Path, state: SqliteState) -> None:
    """A loop that is held up would turn once in half a second. What was told meanwhile can be read."""
    state.append(CALL, "stream_started", b"1")
    await state.flush()
    turns = 0
    with locked(path):
        state.append(CALL, "turn_ended", b"2")
        flushing = asyncio.create_task(state.flush())
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 5
        assert not flushing.done()
        assert [found.body for found in await state.events(CALL)] == [b"1", b"2"]
        assert state.trouble is None
        assert [row[3] for row in stored(path)] == [b"1"]
    await flushing
    assert [row[1:] for row in stored(path)] == [(1, "stream_started", b"1"), (2, "turn_ended", b"2")]


async def test_whoever_waits_no_longer_for_a_place_has_none(path: Path, state: SqliteState) -> None:
    """A call that is declined meanwhile is counted as one that was turned away, and once."""
    await state.flush()
    with locked(path):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await state.claim_place(CALL, "caller", CallerBounds(), 1.0)
        state.note_call("caller", 1.0)
    assert await state.flush()
    assert await state.recent_calls(0) == (("caller", 1.0),)


async def test_beyond_the_bound_only_memory_is_shed(
    path: Path, state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_state, "CLAIM_WAIT_S", 0.0)
    with locked(path):
        await state.events(CALL)
        state.append(CALL, "stream_started", b"")
        for number in range(2 * EVENTS_WAITING_MAX + 5_000):  # One bound waits, one is under way.
            state.append(CALL, "turn_ended", b"%d" % number)
        state.append(CALL, "stream_ended", b"")
        assert await state.claim_token(b"a", FAR)
    await state.flush()
    rows = stored(path)
    assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
    assert [rows[0][2], rows[-1][2]] == ["stream_started", "stream_ended"]
    assert rows[-2][3] == b"%d" % (2 * EVENTS_WAITING_MAX + 4_999)
    assert len(rows) + state.events_shed == 2 * EVENTS_WAITING_MAX + 5_002
    assert state.events_shed >= 5_000


async def test_a_token_is_claimed_once(path: Path) -> None:
    old, new = SqliteState(path), SqliteState(path)
    digests = [b"%d" % number for number in range(50)]
    claims = [state.claim_token(digest, FAR) for digest in digests for state in (old, new)]
    answers = await asyncio.gather(*claims)
    assert [sum(answers[at : at + 2]) for at in range(0, 100, 2)] == [1] * 50
    await old.close()
    await new.close()


async def test_a_full_disk_is_told_and_passes(path: Path) -> None:
    """Until then a call has its memory and a caller is let in, all without delay."""
    with pages_limited() as pages_max:
        pages_max[0] = 40
        state = SqliteState(path)
        state.append(CALL, "stream_started", b"{}")
        await state.flush()
        assert state.trouble is None
        state.append(CALL, "turn_ended", b"x" * 200_000)
        state.note_call("caller", 1.0)
        await state.flush()
        assert "its disk is full. Free some space" in str(state.trouble)
        assert str(path) in str(state.trouble)
        assert [found.kind for found in await state.events(CALL)] == ["stream_started", "turn_ended"]
        assert await state.recent_calls(0) == (("caller", 1.0),)
        assert await state.claim_token(b"a", FAR)
        assert not await state.claim_token(b"a", FAR)
        pages_max[0] = 2**30
        await until(lambda: state.trouble is None)
    await state.flush()
    assert [row[1:3] for row in stored(path)] == [(1, "stream_started"), (2, "turn_ended")]
    assert not await state.claim_token(b"a", FAR)
    await state.close()


async def test_closing_with_a_full_disk_ends_all_the_same(path: Path) -> None:
    with pages_limited() as pages_max:
        pages_max[0] = 40
        state = SqliteState(path)
        state.append(CALL, "turn_ended", b"x" * 200_000)
        await state.close()
    assert "disk is full" in str(state.trouble)
    assert stored(path) == []


async def test_a_commit_that_fails_is_told_and_tried_again(path: Path, state: SqliteState) -> None:
    await state.flush()
    broken = threading.Event()

    def break_off(*_: object) -> None:
        if not broken.is_set():
            broken.set()
            failure = sqlite3.OperationalError("disk I/O error")
            failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise OperationalError("COMMIT", None, failure)

    with told_of("commit", break_off):
        state.append(CALL, "stream_started", b"{}")
        await until(broken.is_set)
        await state.flush()
        assert state.trouble is None or "its disk does not read or write" in state.trouble
        await until(lambda: state.trouble is None)
    await state.flush()
    assert len(stored(path)) == 1


async def test_a_disk_that_hangs_is_told(state: SqliteState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread cannot say so, it hangs. The loop knows since when things wait, and what they are."""
    hangs = threading.Event()
    assert await state.flush()
    with told_of("commit", lambda _: hangs.wait(10)), monkeypatch.context() as impatient:
        impatient.setattr(SqliteHome, "stuck_s", 0.05)
        impatient.setattr(stored_state, "ANSWER_WAIT_S", 0.1)
        impatient.setattr(stored_state, "CLAIM_WAIT_S", 0.1)
        state.append(CALL, "stream_started", b"{}")
        await state.flush()
        assert "has taken nothing for" in str(state.trouble)
        assert (state.unwritten.rows, state.unwritten.for_s > 0.05) == (1, True)
        assert [found.kind for found in await state.events(CALL)] == ["stream_started"]
        assert await state.claim_token(b"a", FAR)
        assert not await state.claim_token(b"a", FAR)
        hangs.set()
        await until(lambda: state.trouble is None)
    assert not await state.claim_token(b"a", FAR)
    await until(lambda: state.unwritten == Unwritten())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_in_the_writer_loses_nothing(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it could not write waits, and is written by the next round."""
    with monkeypatch.context() as broken:
        broken.setattr(writer, "write_batch", lambda *_: 1 / 0)
        state.append(CALL, "stream_started", b"{}")
        await until(lambda: state.trouble is not None)
    await until(lambda: state.trouble is None)
    assert await state.flush()
    assert [event.body for event in await state.events(CALL)] == [b"{}"]


async def test_a_question_that_fails_takes_no_other_with_it(state: SqliteState) -> None:
    """Both wait when the thread comes to them."""
    state.append("CA1", "stream_started", b"{}")
    assert await state.flush()
    is_busy, both_wait = threading.Event(), threading.Event()

    def takes_long(*_: object) -> None:
        is_busy.set()
        both_wait.wait(60)

    def fails(*_: object) -> None:
        raise AssertionError

    state._writer.ask(takes_long)
    await until(is_busy.is_set)
    state._writer.ask(fails)
    asking = asyncio.create_task(state.events("CA1"))
    await until(lambda: len(state._writer._questions) == 2)
    both_wait.set()
    assert [told.kind for told in await asking] == ["stream_started"]


async def test_a_writer_that_cannot_go_on_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches is told, also one who comes late. A close is no death."""
    closed = SqliteState(path)
    watching = asyncio.create_task(closed.died())
    await closed.close()
    assert not watching.done()
    watching.cancel()
    monkeypatch.setattr(writer_thread, "FAILURE_PAUSE_S", 0.0)
    monkeypatch.setattr(writer, "write_batch", lambda *_: 1 / 0)
    state = SqliteState(path)
    state.append(CALL, "stream_started", b"{}")
    async with asyncio.timeout(10):
        assert "fault of ours" in await state.died()
        assert "fault of ours" in await state.died()
    # Whoever asks is answered from what waits.
    assert "Restart the process" in str(state.trouble)
    assert [found.kind for found in await state.events(CALL)] == ["stream_started"]
    assert await state.claim_token(b"a", FAR)
