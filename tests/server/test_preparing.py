"""The rehearsal of a start: it fails as the start would, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import redis_server
from callbridge.cli import app
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.server import preparing
from callbridge.server.config.settings import Settings
from callbridge.server.preparing import StartError, prepare, rehearse
from callbridge.state.opening import open_state
from callbridge.state.state import StateError
from desks import NEEDED, made_settings

if TYPE_CHECKING:
    from postgres import Server


def settings(folder: Path, **changes: str) -> Settings:
    """Those of a service with a state file in `folder`."""
    return made_settings({"CALLBRIDGE_STATE_PATH": str(folder / "calls.sqlite3"), **changes})


def names(folder: Path) -> set[str]:
    """All that is there."""
    return {path.name for path in folder.iterdir()}


def damage(path: Path) -> None:
    """Overwrites what begins the last page of the file: that of an index or a table."""
    asyncio.run(open_state(path).close())
    data = bytearray(path.read_bytes())
    data[-4096:-3996] = b"\xff" * 100
    path.write_bytes(data)


def not_a_database(path: Path) -> None:
    path.write_text("This is a letter to my aunt, and a long one. " * 100)


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def of_a_newer_version(path: Path) -> None:
    asyncio.run(open_state(path).close())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()


STATES: dict[Callable[[Path], None], str] = {
    damage: "is damaged",
    not_a_database: "no SQLite file",
    of_another_program: "another program",
    of_a_newer_version: "newer callbridge",
    Path.mkdir: "cannot be",
}


@pytest.mark.parametrize(("make", "words"), STATES.items())
def test_state_that_cannot_be_used_is_found(make: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    """By check as by serve, in the same words."""
    subject = settings(tmp_path)
    make(tmp_path / "calls.sqlite3")
    with pytest.raises(StartError) as caught:
        prepare(subject)
    (fault,) = rehearse(subject).faults
    assert words in fault.what
    assert caught.value.findings == (fault,)


@pytest.mark.parametrize("folder", ["missing", "file", "/proc"])
def test_folder_in_which_no_state_can_be_made_is_found(folder: str, tmp_path: Path) -> None:
    """Nothing is made there, and the file is called by its own name."""
    (tmp_path / "file").touch()
    subject = settings(tmp_path / folder)
    (fault,) = rehearse(subject).faults
    assert f"The state file {subject.state_path} cannot be opened" in fault.what
    assert names(tmp_path) == {"file"}


def test_rehearsal_leaves_no_file(tmp_path: Path) -> None:
    """A service that starts meanwhile would have lost it."""
    rehearsal = rehearse(settings(tmp_path))
    assert rehearsal.faults == ()
    assert names(tmp_path) == set()


def test_rehearsal_beside_an_older_state_makes_no_records(tmp_path: Path) -> None:
    asyncio.run(open_state(tmp_path / "calls.sqlite3").close())
    before = names(tmp_path)
    (note,) = rehearse(settings(tmp_path)).notes
    kept = "for 30 days, without words, numbers masked"
    assert note.what == f"calls are on record in the file {tmp_path}/records.db, {kept}"
    assert names(tmp_path) == before


def test_rehearsal_leaves_records_of_an_earlier_version_as_they_are(tmp_path: Path) -> None:
    """The service that runs beside it would not know them any more."""
    path = tmp_path / "records.db"
    with contextlib.closing(Database(f"sqlite:///{path}")) as database:
        migrate(database)
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE records_version SET version_num = '0000'")
        (note,) = rehearse(settings(tmp_path)).notes
        assert note.what == f"the next start brings {path} to the version of this callbridge"
        assert database.version() == "0000"


@pytest.mark.parametrize(
    ("make", "words"), [(not_a_database, "no SQLite file"), (of_another_program, "another")]
)
def test_records_that_cannot_be_used_are_found(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "records.db")
    (fault,) = rehearse(settings(tmp_path)).faults
    assert words in fault.what
    assert str(tmp_path / "records.db") in fault.what


def test_a_database_that_does_not_answer_keeps_no_service_from_starting(tmp_path: Path) -> None:
    """The phone is answered; facts wait for it. No password is told."""
    pytest.importorskip("psycopg")
    url = "postgresql://records:password-1@127.0.0.1:9/calls"
    rehearsal = rehearse(settings(tmp_path, DATABASE_URL=url))
    assert rehearsal.faults == ()
    (note,) = rehearsal.notes
    assert (
        "PostgreSQL at 127.0.0.1, database calls, cannot be used: the server cannot be reached" in note.what
    )
    assert "password-1" not in note.what


def test_a_redis_that_does_not_answer_keeps_no_service_from_starting(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    rehearsal = rehearse(settings(tmp_path, REDIS_URL="redis://:password-1@127.0.0.1:9/0"))
    assert rehearsal.faults == ()
    away, _records = rehearsal.notes
    assert away.what.startswith("Redis at redis://127.0.0.1:9/0 cannot be reached")
    assert "no new call is taken" in str(away.remedy)
    assert "password-1" not in away.what


def test_a_redis_that_forgets_is_found(tmp_path: Path, running_redis: redis_server.Server) -> None:
    running_redis.asked("CONFIG SET appendonly no")
    try:
        rehearsal = rehearse(settings(tmp_path, REDIS_URL=running_redis.address))
    finally:
        running_redis.asked("CONFIG SET appendonly yes")
    kept, forgets, _records = rehearsal.notes
    assert kept.what == f"live calls' memory and used tokens are in Redis at {running_redis.address}"
    assert "its appendonly is off" in forgets.what


@pytest.mark.heavy
def test_a_server_whose_tables_are_not_made_is_found(tmp_path: Path, postgres_database: str) -> None:
    (fault,) = rehearse(settings(tmp_path, DATABASE_URL=postgres_database)).faults
    assert "have no tables yet. Run `callbridge migrate`" in fault.what


@pytest.mark.heavy
def test_a_shared_state_is_made_by_migrate(
    tmp_path: Path, postgres_database: str, postgres_server: Server
) -> None:
    """Once for all machines. Without it nobody starts; a server that is away keeps nobody from it."""
    given = {"CALLBRIDGE_SHARED_STATE": "database", "DATABASE_URL": postgres_database}
    subject = settings(tmp_path, **given)
    faults = rehearse(subject).faults
    assert "The state in PostgreSQL" in faults[0].what
    assert "has no tables yet. Run `callbridge migrate`" in faults[0].what
    for words in ("the tables of the shared state are made: version 1", "the shared state has version 1"):
        ended = CliRunner().invoke(app, ["migrate"], env=NEEDED | given, catch_exceptions=False)
        assert words in ended.output
        assert ended.exit_code == 0
    rehearsal = rehearse(subject)
    assert rehearsal.faults == ()
    assert "calls are on record in PostgreSQL" in rehearsal.notes[0].what
    assert names(tmp_path) == set()
    postgres_server.stop()
    try:
        rehearsal = rehearse(subject)
    finally:
        postgres_server.start()
    assert rehearsal.faults == ()
    assert ["the server cannot be reached" in note.what for note in rehearsal.notes] == [True, True]


async def test_rehearsal_beside_a_control_client_changes_nothing(tmp_path: Path) -> None:
    """What its calls have left is there afterwards, and it goes on writing."""
    subject = settings(tmp_path)
    state = open_state(subject.state_path)
    now = time.time()
    state.note_spend(now, 5)
    assert await state.flush()
    rehearsal = await asyncio.to_thread(rehearse, subject)
    state.note_spend(now + 1, 6)
    assert rehearsal.faults == ()
    assert await state.spend(0.0) == ((now, 5), (now + 1, 6))
    assert state.trouble is None
    await state.close()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    subject = settings(
        tmp_path / "missing", CALLBRIDGE_AGENT="no_such_module:agent", CALLBRIDGE_CLIP="/no/such.wav"
    )
    rehearsal = rehearse(subject)
    assert rehearsal.roster is None
    assert [fault.what.split("=")[0].split(" /")[0] for fault in rehearsal.faults] == [
        "CALLBRIDGE_AGENT",
        "CALLBRIDGE_CLIP",
        "The state file",
    ]


def test_state_is_closed_when_something_else_is_wrong(tmp_path: Path) -> None:
    """Its thread would keep the file."""
    before = set(threading.enumerate())
    with pytest.raises(StartError):
        prepare(settings(tmp_path, CALLBRIDGE_CLIP="/no/such.wav"))
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # It has been told to end.
    assert set(threading.enumerate()) <= before


def test_fault_of_a_file_on_trial_names_the_one_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share, for example, takes files, but not SQLite's."""

    def refuse(told: Settings) -> None:
        raise StateError(f"The file system of {told.state_path} cannot hold it.")

    monkeypatch.setattr(preparing, "opened_state", refuse)
    subject = settings(tmp_path)
    (fault,) = rehearse(subject).faults
    assert fault.what == f"The file system of {subject.state_path} cannot hold it"
