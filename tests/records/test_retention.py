"""What is overdue is deleted, rows, files and bytes; what is not, and what is live, stays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import Text, func, select

from callbridge.call import agent_facts, facts, memory
from callbridge.observe.redaction import redaction
from callbridge.records import retention
from callbridge.records.erasing import OF_CALLS
from callbridge.records.keeping import Keeping
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.records.retention import KeptFor, Sweep, Swept
from callbridge.records.schema import facts as facts_table
from callbridge.records.schema import tables
from callbridge.records.sealed_columns import SealedBytes, SealedText
from callbridge.state.journal import JournalEntry
from records.shipments import HANGUP, STARTED, T0, entry, store

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from callbridge.call.facts import Fact
    from callbridge.records.database import Database

DAY_S = 24 * 3600.0
SAID, ANSWERED, GIVEN, RESULT = "my pin is violet", "I see, violet", "violet socks", "violet ink"
CALL: tuple[Fact, ...] = (
    STARTED,
    facts.Remembered(memory.ToolAnswered(1, "call_1", "book", f'{{"what":"{GIVEN}"}}', RESULT)),
    facts.TurnEnded(1, SAID, ANSWERED, 480, interrupted=False),
    agent_facts.Captured("order", f'{{"item":"{GIVEN}"}}'),
)
WORDLESS = Keeping(words=False, numbers=True, redaction=redaction())


@pytest.fixture(autouse=True)
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "REST_S", 0.0)


def put(database: Database, call_sid: str, began_at: float, *, is_live: bool = False) -> None:
    """A call with its rows, and a row in every other table."""
    told = CALL if is_live else (*CALL, HANGUP)
    store(database, *(entry(call_sid, n, fact, at=began_at + n) for n, fact in enumerate(told, 1)))
    with database.writing() as connection:
        project(connection, call_sid, began_at)
        for name in ("deliveries", "analyses", "raw_events"):
            table = tables.tables[name]
            wanted = [one for one in table.columns if not (one.nullable or one.autoincrement is True)]
            row = {column.name: filling(column.type, call_sid) for column in wanted}
            connection.execute(table.insert().values(row | {"call_sid": call_sid}))


def filling(kind: TypeEngine[Any], call_sid: str) -> str | bytes | int:
    """Words wherever some may stand."""
    match kind:
        case SealedText() | Text():
            return f"{SAID} {call_sid}"
        case SealedBytes():
            return SAID.encode()
        case _:
            return 0


def recorded(call_sid: str, at: float) -> JournalEntry:
    """That a recording of it was stored."""
    place = {
        "kind": "recording_stored",
        "call_sid": call_sid,
        "source": "http-1",
        "number": 1,
        "name": f"{call_sid}-MZ1.opus",
    }
    stored = place | {"duration_ms": 5, "bytes": 5, "format": "opus"}
    return JournalEntry(
        at, "process-1", call_sid, "http-1", 1, 0, "recording_stored", msgspec.json.encode(stored)
    )


def sweep(
    database: Database, kept_for: KeptFor, now: float, undeletable: str = ""
) -> tuple[Swept, list[str]]:
    """What was deleted, and which recordings."""
    gone: list[str] = []

    def delete_recording(name: str) -> str:
        if name == undeletable:
            return "the store is away"
        gone.append(name)
        return ""

    return Sweep(database, kept_for, WORDLESS, delete_recording, clock=lambda: now).run(), gone


def counts(database: Database, call_sid: str) -> dict[str, int]:
    with database.reading() as connection:
        return {
            table.name: connection.execute(
                select(func.count()).select_from(table).where(table.c.call_sid == call_sid)
            ).scalar_one()
            for table in OF_CALLS
        }


def bytes_of(database: Database) -> bytes:
    """Of the file of the records, and of its log."""
    file = Path(database.url.database or "")
    return b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))


def test_calls_are_deleted_when_they_are_old_enough(database: Database) -> None:
    now = T0 + 40 * DAY_S
    put(database, "CA1", T0)
    put(database, "CA2", now - 29 * DAY_S)
    put(database, "CA3", T0, is_live=True)
    store(database, recorded("CA1", T0), recorded("CA2", now - DAY_S))
    with database.writing() as connection:  # Of the live one something was heard a moment ago.
        live = facts_table.c.call_sid == "CA3"
        connection.execute(facts_table.update().where(live).values(at=now - 5.0))
    before = counts(database, "CA2")
    swept, recordings = sweep(database, KeptFor(30 * DAY_S), now)
    assert (swept.calls, swept.wordless, swept.recordings, swept.kept_back) == (1, 0, 1, {})
    assert recordings == ["CA1-MZ1.opus"]
    assert set(counts(database, "CA1").values()) == {0}
    assert counts(database, "CA2") == before
    assert counts(database, "CA3")["facts"] == len(CALL)
    assert sweep(database, KeptFor(30 * DAY_S), now)[0].calls == 0
    # Two days later it is no live call any more, whatever its row says.
    assert sweep(database, KeptFor(30 * DAY_S), now + 33 * DAY_S)[0].calls == 2


def test_what_belongs_to_a_call_without_a_row_is_deleted_too(database: Database) -> None:
    """Its row could not be made, by a fault of ours: nobody would ever find it."""
    store(database, entry("CA1", 1, STARTED, at=T0), entry("CA2", 1, STARTED, at=T0 + 39 * DAY_S))
    swept, _ = sweep(database, KeptFor(30 * DAY_S), T0 + 40 * DAY_S)
    assert swept.calls == 1
    assert (counts(database, "CA1")["facts"], counts(database, "CA2")["facts"]) == (0, 1)


def test_words_go_earlier_and_figures_stay(database: Database) -> None:
    now = T0 + 10 * DAY_S
    put(database, "CA1", T0)
    put(database, "CA2", now - DAY_S)
    kept_for = KeptFor(30 * DAY_S, words_s=7 * DAY_S)
    swept, _ = sweep(database, kept_for, now)
    assert (swept.calls, swept.wordless) == (0, 1)
    story, other = (Records(database).story(sid) for sid in ("CA1", "CA2"))
    assert story is not None
    assert "violet" not in repr(story)
    assert "violet" in repr(other)
    assert (len(story.turns), story.turns[0].tools[0].name, story.caller_key) == (1, "book", "key-1")
    assert story.end_reason == "caller_hangup"
    assert {name for name, count in counts(database, "CA1").items() if not count} >= {
        "deliveries",
        "raw_events",
    }
    assert sweep(database, kept_for, now)[0].wordless == 0, "once"


def test_a_recording_that_cannot_be_deleted_keeps_its_call(database: Database) -> None:
    """Or nobody would know any more that it is there."""
    for number in range(3):
        put(database, f"CA{number}", T0 + number)
    store(database, recorded("CA1", T0))
    now = T0 + 40 * DAY_S
    swept, _ = sweep(database, KeptFor(30 * DAY_S), now, undeletable="CA1-MZ1.opus")
    assert (swept.calls, swept.kept_back) == (2, {"CA1": "the store is away"})
    assert sweep(database, KeptFor(30 * DAY_S), now)[1] == ["CA1-MZ1.opus"]


@pytest.mark.parametrize(
    "kept_for", [pytest.param(KeptFor(DAY_S), marks=pytest.mark.heavy), KeptFor(90 * DAY_S, words_s=DAY_S)]
)
def test_nothing_is_left_in_the_bytes_of_a_file(database: Database, kept_for: KeptFor) -> None:
    """Neither on its pages nor in its log, of many calls among others that stay."""
    if database.is_postgres:
        pytest.skip("its files are the server's own")
    now = T0 + 40 * DAY_S
    for number in range(30):
        put(database, f"CA{number:02}", T0 + number if number % 3 else now)
    assert b"violet" in bytes_of(database)
    with database.writing() as connection:  # Of those that stay, too, so that bytes can tell.
        connection.execute(facts_table.update().where(facts_table.c.at >= now).values(body="{}"))
        for name in ("turns", "tools", "captures", "deliveries", "analyses", "raw_events"):
            connection.execute(
                tables.tables[name]
                .delete()
                .where(tables.tables[name].c.call_sid.in_([f"CA{n:02}" for n in range(0, 30, 3)]))
            )
    swept, _ = sweep(database, kept_for, now)
    assert swept.calls + swept.wordless == 20
    assert swept.is_overwritten
    assert b"violet" not in bytes_of(database)
    assert b"CA00" in bytes_of(database)


@pytest.mark.heavy
def test_writers_get_their_turn_between_the_steps(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CALLS_AT_ONCE", 5)
    for number in range(40):
        put(database, f"CA{number:02}", T0)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(facts_table)).scalar_one() == 200
    written = threading.Event()

    def write() -> None:
        store(database, entry("CA99", 1, STARTED, at=T0 + 40 * DAY_S))
        written.set()

    writer = threading.Thread(target=write)
    steps = 0

    def is_to_stop() -> bool:
        nonlocal steps
        steps += 1
        if steps == 2:
            writer.start()
            assert written.wait(20)
        return False

    going = Sweep(database, KeptFor(DAY_S), WORDLESS, lambda _: "", clock=lambda: T0 + 40 * DAY_S)
    assert going.run(is_to_stop).calls == 40
    assert steps > 8
    writer.join()
    assert counts(database, "CA99")["facts"] == 1
