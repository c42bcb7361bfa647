"""The database: who may look into it, what its errors say, and how its tables come to their version."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from callbridge.records.database import Database
from callbridge.records.errors import RecordsAway, RecordsError
from callbridge.records.migrating import migrate, scripts, upgrade
from callbridge.records.schema import HEAD, VERSION_TABLE, tables

if TYPE_CHECKING:
    from pathlib import Path


def test_the_latest_version_is_what_the_code_needs() -> None:
    assert ScriptDirectory.from_config(scripts()).get_current_head() == HEAD


def test_the_versions_lead_to_the_tables_of_a_new_database(database_url: str) -> None:
    """A new database gets them at once; an older one comes to the same, version by version."""
    with contextlib.closing(Database(database_url)) as database:
        with database.writing() as connection:
            upgrade(connection)
        with database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            assert compare_metadata(context, tables) == []
        assert database.version() == HEAD
        assert migrate(database) == HEAD


def fail_to_upgrade(database: Database) -> None:
    with database.writing() as connection:
        upgrade(connection)
        raise ZeroDivisionError


def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    with contextlib.closing(Database(database_url)) as database:
        with pytest.raises(ZeroDivisionError):
            fail_to_upgrade(database)
        with database.reading() as connection:
            assert inspect(connection).get_table_names() == []
        assert migrate(database) is None
        database.check()


def test_tables_of_another_version_are_told_of(database: Database) -> None:
    for version, words in (("0000", "Run `callbridge migrate`"), ("9999", "Start the newer callbridge")):
        with database.writing() as connection:
            connection.execute(
                text("UPDATE records_version SET version_num = :version"), {"version": version}
            )
        with pytest.raises(RecordsError, match=words):
            database.check()
    with pytest.raises(RecordsError, match="newer callbridge"):
        migrate(database)


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.touch(0o644)
    with contextlib.closing(Database(f"sqlite:///{path}")) as database:
        migrate(database)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/name", "is no address of a database"),
        ("host/name", "is no address of a database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_of(url: str, words: str) -> None:
    with pytest.raises(RecordsError, match=words):
        Database(url)


def test_a_folder_that_is_missing_is_told_of(tmp_path: Path) -> None:
    with (
        contextlib.closing(Database(f"sqlite:///{tmp_path}/missing/records.db")) as database,
        pytest.raises(RecordsError, match="Make its folder"),
        database.reading(),
    ):
        pass


def test_a_driver_that_is_missing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(RecordsError, match=r"pip install 'callbridge\[postgres\]'"):
        Database("postgresql://host/name")


def test_a_writer_that_is_in_the_way_is_waited_for_and_then_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbridge.records.database.LOCK_WAIT_S", 0.01)
    url = f"sqlite:///{tmp_path}/records.db"
    with contextlib.closing(Database(url)) as one, contextlib.closing(Database(url)) as other:
        migrate(one)
        with one.writing(), pytest.raises(RecordsAway, match="another process holds it"), other.writing():
            pass


def test_a_connection_that_is_in_use_is_let_go_when_it_is_given_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/records.db")
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        database.close()
        driver.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("change", "words", "kind"),
    [
        ({"port": 9}, "the server cannot be reached", RecordsAway),
        ({"database": "nothing"}, "no database of this name", RecordsError),
        ({"username": "nobody_here"}, "does not know this user", RecordsError),
    ],
)
def test_a_server_that_refuses_is_told_of(
    postgres_database: str, change: dict[str, str | int], words: str, kind: type[RecordsError]
) -> None:
    from sqlalchemy import make_url  # noqa: PLC0415 - for these alone

    url = make_url(postgres_database).set(**change)  # type: ignore[arg-type]  # As its own parts.
    with contextlib.closing(Database(url.render_as_string(hide_password=False))) as database:
        with pytest.raises(RecordsError, match=words) as caught, database.reading():
            pass
        assert type(caught.value) is kind
