"""The file: its promises to the disk, and a start that says what to do when it cannot be used."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state import sqlite_file
from callbridge.state.rows import CALLS_PRUNED_MAX, prune, write_batch
from callbridge.state.sqlite_file import SCHEMA_VERSION, check_file, open_file, writing
from callbridge.state.state import KEPT, StateError
from callbridge.state.writes import EventWrite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def execute(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_commits_are_synced_to_a_log_in_files_for_this_user_only(path: Path) -> None:
    with contextlib.closing(open_file(path)) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        files = list(path.parent.iterdir())
        assert len(files) == 3  # The file, its log and the log's index.
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_files_that_others_may_read_are_closed_to_them(path: Path) -> None:
    """As they were left by an earlier version, or by a copy."""
    with contextlib.closing(open_file(path)):
        for file in path.parent.iterdir():
            file.chmod(0o644)
        with contextlib.closing(open_file(path)), structlog.testing.capture_logs() as logs:
            check_file(path)
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert (modes, logs) == ({0o600}, [])


def test_a_file_of_an_earlier_version_loses_the_words_that_it_had_deleted(path: Path) -> None:
    """It had no such index, no callers, and no zeros for what is deleted. What it keeps is still there."""
    with contextlib.closing(open_file(path)) as connection, writing(connection):
        write_batch(connection, [EventWrite("CA1", "turn_ended", 1.0, b"deleted words")])
        write_batch(connection, [EventWrite("CA2", "turn_ended", 2.0, b"kept words")])
    execute(
        path,
        "PRAGMA secure_delete=OFF",
        "DROP INDEX call_events_words",
        "CREATE INDEX call_events_details ON call_events (at) WHERE kind = 'turn_ended'",
        "DROP TABLE caller_records",
        "DELETE FROM call_events WHERE call_sid = 'CA1'",
    )
    assert b"deleted words" in path.read_bytes()  # Or this test shows nothing.

    check_file(path)

    content = path.read_bytes()
    assert (b"deleted words" in content, b"kept words" in content) == (False, True)
    with contextlib.closing(sqlite3.connect(path)) as connection_of_others:
        made = connection_of_others.execute("SELECT name FROM sqlite_master").fetchall()
    assert {("call_events_words",), ("caller_records",)} <= set(made)
    assert ("call_events_details",) not in made


def test_files_that_stay_open_to_others_are_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They belong to another user."""

    def not_the_owner(*_: object) -> None:
        raise PermissionError

    check_file(path)
    path.chmod(0o640)
    monkeypatch.setattr(Path, "chmod", not_the_owner)
    with structlog.testing.capture_logs() as logs:
        check_file(path)
    told = {(line["event"], line["file"], line["mode"]) for line in logs}
    assert told == {("state_is_open_to_others", f"{path}{end}", "640") for end in ("", "-wal", "-shm")}


def test_a_new_file_has_a_version(path: Path) -> None:
    check_file(path)
    check_file(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]


def test_processes_that_start_at_once_make_one_file(path: Path) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            check_file(path)
        except (StateError, SQLAlchemyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    test_a_new_file_has_a_version(path)


def complaint(path: Path) -> str:
    with pytest.raises(StateError) as caught:
        check_file(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/state.db", "Make its folder"),
        *((name, "choose another path") for name in (".", "a file/state.db")),
    ],
)
def test_a_path_that_cannot_be_a_file(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "a file").touch()
    assert words in complaint(tmp_path / name)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anything")
def test_a_folder_that_must_not_be_written(path: Path) -> None:
    path.parent.chmod(0o500)
    assert "let this user write there" in complaint(path)


def test_a_file_that_must_not_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite opens such a file without a word and complains at the first write."""
    check_file(path)

    def read_only(_: object, **options: Any) -> Engine:
        return create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", **options)

    monkeypatch.setattr(sqlite_file, "create_engine", read_only)
    assert "may only be read" in complaint(path)


def test_a_file_of_something_else(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)
    assert "no SQLite file" in complaint(path)
    assert "Move it away" in complaint(path)


def test_a_database_of_another_program(path: Path) -> None:
    execute(path, "CREATE TABLE recipes (name TEXT)")
    assert "belongs to another program" in complaint(path)
    execute(path, "SELECT name FROM recipes")


def test_a_damaged_page(path: Path) -> None:
    check_file(path)
    execute(
        path,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO call_events SELECT 'CA', i, 1.0, 'memory', zeroblob(100) FROM n",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = os.urandom(8192)
    path.write_bytes(content)
    assert "damaged" in complaint(path)
    assert "Move it away" in complaint(path)
    path.write_bytes(content[:5000])
    assert "damaged" in complaint(path)


NO_VERSION = "no version that callbridge ever had"
VERSIONS = {
    "UPDATE schema_version SET version = 99": "Start the newer callbridge",
    "UPDATE schema_version SET version = 0": NO_VERSION,
    "DELETE FROM schema_version": NO_VERSION,
}


@pytest.mark.parametrize(("statement", "words"), VERSIONS.items())
def test_another_version(path: Path, statement: str, words: str) -> None:
    check_file(path)
    execute(path, statement)
    assert words in complaint(path)


def test_a_file_of_an_earlier_callbridge_gets_what_it_lacks(path: Path) -> None:
    """What that one noted counts, and it may go on noting, as at a deploy."""
    check_file(path)
    later = {
        "caller_notes": ("call_sid",),
        "spend_notes": ("process", "number"),
        "used_tokens": ("claimed_by",),
    }
    indexes = ("caller_notes_call", "caller_notes_caller", "spend_notes_process")
    execute(
        path,
        *(f"DROP INDEX {index}" for index in indexes),
        *(f"ALTER TABLE {table} DROP COLUMN {name}" for table, names in later.items() for name in names),
        *(f"DROP TABLE {table}" for table in ("places", "leases", "mailbox", "batches")),
    )
    earlier = ("INSERT INTO caller_notes VALUES (1.0, 'key')", "INSERT INTO spend_notes VALUES (1.0, 5)")
    execute(path, *earlier)
    for _ in range(2):
        check_file(path)
    with contextlib.closing(open_file(path)) as connection:
        assert connection.exec_driver_sql("SELECT caller_key, call_sid FROM caller_notes").all() == [
            ("key", "")
        ]
        spent = "SELECT microdollars, process, number FROM spend_notes"
        assert connection.exec_driver_sql(spent).all() == [(5, "", 0)]
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
        assert {*indexes, "places", "leases", "mailbox"} <= set(found)
    execute(path, "INSERT INTO spend_notes (at, microdollars) VALUES (2.0, 6)")


def test_a_process_that_holds_the_file_is_waited_for(path: Path) -> None:
    check_file(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.6, holder.execute, ["COMMIT"])
        release.start()
        check_file(path)
        release.join()


def test_but_not_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "START_WAIT_S", 0.0)
    check_file(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert "another process holds it. End that process" in complaint(path)


def test_a_transaction_holds_the_write_lock_from_its_first_moment(path: Path) -> None:
    with contextlib.closing(open_file(path)) as connection, writing(connection):
        rival = sqlite3.connect(path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            rival.execute("BEGIN IMMEDIATE")
        rival.close()


def test_a_transaction_that_fails_leaves_nothing_and_no_lock(path: Path) -> None:
    row = "INSERT INTO spend_notes (at, microdollars) VALUES "
    rows = [row + "(1.0, 1)", row + "(NULL, 1)"]

    def write(connection: Connection) -> None:
        with writing(connection):
            for row in rows:
                connection.exec_driver_sql(row)

    with contextlib.closing(open_file(path)) as connection:
        with pytest.raises(SQLAlchemyError):
            write(connection)
        execute(path, "BEGIN IMMEDIATE", "COMMIT")
        assert connection.exec_driver_sql("SELECT * FROM spend_notes").all() == []


def test_much_that_is_old_is_deleted_in_portions(path: Path) -> None:
    """Nobody waits long for the write lock."""
    with contextlib.closing(open_file(path)) as connection, writing(connection):
        calls = [*(f"CA{number}" for number in range(CALLS_PRUNED_MAX + 1) for _ in "ab"), "young"]
        events = [EventWrite(call, "turn_ended", 10.0 if call == "young" else 1.0, b"{}") for call in calls]
        events = [*events, *(replace(event, kind="stream_ended") for event in events)]
        write_batch(connection, events)
        assert prune(connection, KEPT.quiet_s + 5.0, KEPT)
        kinds = "SELECT kind FROM call_events WHERE call_sid != 'young' ORDER BY kind"
        left = connection.exec_driver_sql(kinds).scalars().all()
        assert left == ["stream_ended"] * 2 * (CALLS_PRUNED_MAX + 1) + ["turn_ended"] * 2
        assert prune(connection, KEPT.outline_s + 5.0, KEPT)
        assert not prune(connection, KEPT.outline_s + 5.0, KEPT)
        left = connection.exec_driver_sql("SELECT call_sid FROM call_events").scalars().all()
        assert left == ["young"]
