"""What is overdue by the settings is deleted while the service runs, and recordings with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from structlog.testing import capture_logs

from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.server.config.caller_keys import key_on_record
from callbridge.server.errands.forgetting import forget_everywhere
from callbridge.server.process.keeping.sweeping import recording_deleter, sweep, sweep_forever, tell
from callbridge.state.journal import JournalEntry
from callbridge.state.opening import open_state
from desks import made_settings
from leftovers import until
from records.shipments import HANGUP, STARTED, T0, entry, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callbridge.server.config.settings import Settings

DAY_S = 24 * 3600.0
OLD, NEW = "CA" + "1" * 32, "CA" + "2" * 32
NUMBER = "+14155550100"


def settings_in(folder: Path, **more: str) -> Settings:
    given = {
        "CALLBRIDGE_STATE_PATH": str(folder / "state.db"),
        "CALLBRIDGE_RECORDINGS": str(folder / "audio"),
    }
    return made_settings(given | more)


def name_of(call_sid: str) -> str:
    return f"{call_sid}-MZ{'3' * 32}.opus"


def put(database: Database, folder: Path, call_sid: str, began_at: float, caller_key: str = "key-1") -> Path:
    """A call that is over, and its recording, which is as old."""
    name, kind = name_of(call_sid), "recording_stored"
    place = {"kind": kind, "call_sid": call_sid, "source": "http-1", "number": 1, "at_ms": 0}
    stored = msgspec.json.encode(place | {"name": name, "duration_ms": 5, "bytes": 5, "format": "opus"})
    started = msgspec.structs.replace(STARTED, caller_key=caller_key)
    store(
        database,
        entry(call_sid, 1, started, at=began_at),
        entry(call_sid, 2, HANGUP, at=began_at + 1),
        JournalEntry(began_at + 2, "process-1", call_sid, "http-1", 1, 0, kind, stored),
    )
    with database.writing() as connection:
        project(connection, call_sid, began_at)
    file = folder / "audio" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"sound")
    os.utime(file, (began_at, began_at))
    return file


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with contextlib.closing(Database(f"sqlite:///{tmp_path}/records.db")) as database:
        migrate(database)
        yield database


def on_record(database: Database) -> list[str]:
    return [call.call_sid for call in Records(database).calls()]


async def test_what_is_overdue_goes_at_the_start_and_its_file_with_it(
    tmp_path: Path, database: Database
) -> None:
    now = T0 + 40 * DAY_S
    old, new = put(database, tmp_path, OLD, T0), put(database, tmp_path, NEW, now - DAY_S)
    with capture_logs() as logs:
        organ = asyncio.create_task(sweep_forever(settings_in(tmp_path), database, lambda: now))
        assert await until(lambda: on_record(database) == [NEW])
        assert await until(lambda: bool(logs))
        organ.cancel()
        with pytest.raises(asyncio.CancelledError):
            await organ
    assert (old.exists(), new.exists()) == (False, True)
    (line,) = logs
    assert (line["event"], line["calls"], line["recordings"]) == ("records_swept", 1, 1)


def test_recordings_may_go_before_the_record_does(tmp_path: Path, database: Database) -> None:
    now = T0 + 10 * DAY_S
    old = put(database, tmp_path, OLD, T0)
    shorter = settings_in(tmp_path, CALLBRIDGE_RECORDINGS_KEPT_DAYS="7")
    swept = sweep(shorter, database, lambda: now, lambda: False)
    assert (swept.calls, swept.recordings, old.exists()) == (0, 1, False)
    assert on_record(database) == [OLD]


def test_a_record_stays_while_nobody_knows_where_its_recording_is(tmp_path: Path, database: Database) -> None:
    """Recording was switched off since; its audio would be left without anything that tells of it."""
    put(database, tmp_path, OLD, T0)
    off = made_settings({"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db")})
    swept = sweep(off, database, lambda: T0 + 40 * DAY_S, threading.Event().is_set)
    with capture_logs() as logs:
        tell(swept)
    assert on_record(database) == [OLD]
    assert [(line["event"], line["first"]) for line in logs] == [("records_kept_back", OLD)]
    assert "CALLBRIDGE_RECORDINGS" in logs[0]["reason"]


def test_a_caller_is_forgotten_with_what_was_recorded(tmp_path: Path, database: Database) -> None:
    """In the store, and what a process that was killed has left unfinished."""
    settings = settings_in(tmp_path)
    asyncio.run(open_state(settings.state_path).close())
    theirs = put(database, tmp_path, OLD, T0, key_on_record(settings, NUMBER))
    others = put(database, tmp_path, NEW, T0)
    unfinished = settings.unfinished_recordings(settings.state_path)
    unfinished.mkdir(parents=True)
    for call_sid in (OLD, NEW):
        (unfinished / f"{call_sid}-MZ{'4' * 32}.wav").write_bytes(b"sound")
    report = forget_everywhere(settings, NUMBER, recording_deleter(settings))
    assert report.is_complete
    assert report.records is not None
    assert (report.records.calls, report.records.recordings) == ([OLD], 2)
    assert (theirs.exists(), others.exists()) == (False, True)
    assert [file.name[: len(NEW)] for file in unfinished.iterdir()] == [NEW]
