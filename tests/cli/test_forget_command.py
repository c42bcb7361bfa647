"""`callbridge forget`: deletes what is remembered of a caller, and says what it did."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.call import facts
from callbridge.cli import app
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.outbox.deliveries import enqueue
from callbridge.records.outbox.events import CALL_COMPLETED, Event
from callbridge.records.outbox.webhook import Webhook
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.records.schema import deliveries
from callbridge.server.config.caller_keys import caller_key, key_on_record
from callbridge.state.callers import CallerRecord
from callbridge.state.forgetting import journal_in_file
from callbridge.state.opening import open_state
from callbridge.state.state import Retention
from desks import NEEDED, made_settings
from records.shipments import HANGUP, T0, entry, store

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.call.facts import Fact
    from callbridge.server.config.settings import Settings

NUMBER = "+14155550100"


def remember(path: Path, caller: str = NUMBER, agents: int = 1) -> None:
    """A service has remembered something of this caller, and has ended."""
    state = open_state(path, retention=Retention(callers_s=3600.0))
    key = caller_key(made_settings(), caller)

    async def write() -> None:
        for number in range(agents):
            state.remember(key, f"agent {number}", CallerRecord(time.time(), b"secret words"))
        await state.close()

    asyncio.run(write())


def forgotten(number: str, path: Path | str = "", *options: str, **settings: str) -> tuple[int, str]:
    """Exit status and what is said."""
    given = NEEDED | {"CALLBRIDGE_STATE_PATH": str(path)} | settings
    ended = CliRunner().invoke(app, ["forget", number, *options], env=given, catch_exceptions=False)
    return ended.exit_code, ended.output.strip()


@pytest.mark.parametrize("spelt", [NUMBER, "+1 415 555-0100", "+1 (415) 555.0100", "14155550100"])
def test_a_caller_is_forgotten(only_these: pytest.MonkeyPatch, tmp_path: Path, spelt: str) -> None:
    """By all agents, however the number is spelt; a second time there is nothing left."""
    path = tmp_path / "state.db"
    remember(path, agents=2)
    status, said = forgotten(spelt, path)
    assert status == 0
    assert said.endswith(" is deleted:\n  2 records of what agents remember, and texts")
    assert b"secret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert forgotten(spelt, path)[1].startswith("nothing is kept of ")


def test_other_callers_stay(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    remember(path, "client:anna")
    assert forgotten(NUMBER, path) == (0, f"nothing is kept of {NUMBER}")
    said = "what is kept of client:anna is deleted:\n  1 record of what agents remember, and texts"
    assert forgotten("client:anna", path) == (0, said)


@pytest.mark.parametrize(
    ("number", "file", "said"),
    [
        ("anna", "state.db", "+14155550100"),
        ("anonymous", "state.db", "+14155550100"),
        (NUMBER, "", "CALLBRIDGE_STATE_PATH is not set"),
        (NUMBER, "nowhere.db", "There is no state file"),
        (NUMBER, "letter.txt", "no SQLite file"),
    ],
)
def test_what_cannot_be_done_is_said(
    only_these: pytest.MonkeyPatch, tmp_path: Path, number: str, file: str, said: str
) -> None:
    """And no file is made."""
    (tmp_path / "letter.txt").write_text("Dear aunt, " * 100)
    status, text = forgotten(number, tmp_path / file if file else "")
    assert status == 1
    assert said in text
    assert not (tmp_path / "nowhere.db").exists()


# --- Records ------------------------------------------------------------------------------------------

SAID = "my pin is violet"
RECEIVER = Webhook(name="crm", url="https://crm.example.com/x", events=frozenset({CALL_COMPLETED}))


def records_of(path: Path) -> Database:
    """Those beside the state file."""
    database = Database(f"sqlite:///{path.with_name('records.db')}")
    migrate(database)
    return database


def put(
    path: Path, call_sid: str, caller: str, *, is_over: bool = True, settings: Settings | None = None
) -> None:
    """A call on record, with words in it, of which a receiver was told."""
    key = key_on_record(settings or made_settings(), caller)
    told: list[Fact] = [
        facts.StreamStarted("********00", "********99", agent="desk", caller_key=key),
        facts.TurnEnded(1, SAID, "I see.", 480, interrupted=False),
    ]
    with contextlib.closing(records_of(path)) as database:
        ends = [HANGUP] if is_over else []
        store(database, *(entry(call_sid, n, fact) for n, fact in enumerate([*told, *ends], 1)))
        delivery = Event(f"evt_{call_sid}", CALL_COMPLETED, call_sid, T0, "{}")
        with database.writing() as connection:
            project(connection, call_sid, T0)
            enqueue(connection, [delivery], [RECEIVER], T0)
            connection.execute(deliveries.update().values(state="done"))


def on_record(path: Path) -> list[str]:
    with contextlib.closing(records_of(path)) as database:
        return sorted(call.call_sid for call in Records(database).calls())


def wait_in_journal(path: Path, call_sid: str, caller: str) -> None:
    """The database was away when they called: facts that nobody has shipped."""
    key = key_on_record(made_settings(), caller)
    started = facts.StreamStarted("********00", "********99", agent="desk", caller_key=key)
    told: list[Fact] = [
        started,
        facts.TurnEnded(1, SAID, "", None, interrupted=False),
        HANGUP,
        facts.CallClosed(3),
    ]
    state = open_state(path)

    async def write() -> None:
        for number, fact in enumerate(told, 1):
            state.keep(entry(call_sid, number, fact))
        await state.close()

    asyncio.run(write())


def test_records_of_a_caller_are_deleted_and_told_table_by_table(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those under a key of an earlier auth token, too; others stay, and so do the other's words."""
    path = tmp_path / "state.db"
    remember(path)
    put(path, "CA1", NUMBER)
    put(path, "CA2", NUMBER, settings=made_settings({"TWILIO_AUTH_TOKEN": "an-earlier-token"}))
    put(path, "CA3", "+14155550777")
    earlier = {"CALLBRIDGE_OTHER_AUTH_TOKENS": "an-earlier-token"}
    status, said = forgotten(NUMBER, path, "--dry-run", **earlier)
    assert (status, on_record(path)) == (0, ["CA1", "CA2", "CA3"])
    assert said.splitlines()[0] == f"what is kept of {NUMBER} would be deleted:"
    status, done = forgotten(NUMBER, path, **earlier)
    assert status == 0
    assert done.splitlines()[1:] == said.splitlines()[1:]
    assert [line.strip() for line in done.splitlines()[1:]] == [
        "1 record of what agents remember, and texts",
        "2 calls on record",
        "calls: 2",
        "deliveries: 2",
        "facts: 6",
        "turns: 2",
        "others were told of these calls, and may keep that: crm (2)",
    ]
    assert on_record(path) == ["CA3"]
    assert forgotten("+14155550777", path)[0] == 0
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not [word for word in (SAID, "secret words", "violet") if word.encode() in left]


def test_a_call_that_is_on_is_left_and_told(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    remember(path)
    put(path, "CA1", NUMBER)
    put(path, "CA2", NUMBER, is_over=False)
    status, said = forgotten(NUMBER, path)
    assert status == 1
    assert "1 call on record" in said
    assert "not deleted: call CA2: it is going on: run this again when it is over" in said
    assert on_record(path) == ["CA2"]


def test_facts_that_wait_for_the_database_are_deleted_before_they_get_there(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    wait_in_journal(path, "CA1", NUMBER)
    wait_in_journal(path, "CA2", "+14155550777")
    assert "4 facts on the way to the records" in forgotten(NUMBER, path)[1]
    assert {one.call_sid for one in journal_in_file(path)} == {"CA2"}
    assert forgotten(NUMBER, path) == (0, f"nothing is kept of {NUMBER}")


def test_records_that_cannot_be_looked_at_are_told(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What could be deleted is, and it is said that this is not all."""
    path = tmp_path / "state.db"
    remember(path)
    (tmp_path / "records.db").write_text("Dear aunt, " * 100)
    status, said = forgotten(NUMBER, path)
    assert status == 1
    assert "1 record of what agents remember" in said
    assert "the records were not looked at, run this again: " in said
