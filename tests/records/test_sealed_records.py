"""Records that are encrypted: nobody reads them in the database, and everybody reads them through ours."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import MetaData, select

from callbridge.call import agent_facts, facts, memory
from callbridge.records.call_list import Filter
from callbridge.records.database import Database
from callbridge.records.errors import RecordsError
from callbridge.records.migrating import migrate
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.records.sealing import Seal, SealError
from callbridge.records.shipping import add_facts
from records.shipments import HANGUP, T0, entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.call.facts import Fact

pytest.importorskip("cryptography")

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
NUMBER, SAID, ANSWERED = "+447700900123", "my pin is violet", "I see, violet"
GIVEN, TOLD = "violet socks", "violet ink"
CALL: tuple[Fact, ...] = (
    facts.StreamStarted(NUMBER, "+15550100002", agent="desk", caller_key="key-1"),
    facts.Remembered(memory.ToolAnswered(1, "call_1", "book", f'{{"what":"{GIVEN}"}}', TOLD)),
    facts.TurnEnded(1, SAID, ANSWERED, 480, interrupted=False),
    agent_facts.Captured("order", f'{{"item":"{GIVEN}"}}'),
    HANGUP,
)


@contextlib.contextmanager
def opened(url: str, *keys: str) -> Iterator[Database]:
    with contextlib.closing(Database(url, seal=Seal(keys))) as database:
        migrate(database)
        yield database


def put(database: Database, call_sid: str) -> None:
    """The facts of one call, as the journal brings them, and the rows made of them."""
    entries = [entry(call_sid, number, fact) for number, fact in enumerate(CALL, 1)]
    sealed = [replace(one, body=database.seal.seal(one.body)) for one in entries]
    with database.writing() as connection:
        add_facts(connection, sealed)
        project(connection, call_sid, T0)


def everything(url: str) -> str:
    """All rows of all tables, by a client that knows nothing of ours."""
    with opened(url) as database, database.reading() as connection:
        found = MetaData()
        found.reflect(connection)
        return repr(
            [tuple(row) for table in found.sorted_tables for row in connection.execute(select(table))]
        )


def test_nobody_reads_them_without_the_key(database_url: str) -> None:
    with opened(database_url, NEW) as database:
        put(database, "CA1")
        story = Records(database).story("CA1")
    assert story is not None
    assert SAID in repr(story)
    assert GIVEN in repr(story)
    assert TOLD in repr(story)
    rows = everything(database_url)
    assert not [word for word in ("violet", "77009", SAID, GIVEN) if word in rows]
    assert "key-1" in rows, "callers are found by their key"
    assert "caller_hangup" in rows


def test_a_missing_or_wrong_key_is_told_at_the_start_and_loses_nothing(database_url: str) -> None:
    with opened(database_url, OLD) as database:
        put(database, "CA1")
    for keys in ((), (NEW,)):
        with opened(database_url, *keys) as database:
            with pytest.raises(SealError, match="CALLBRIDGE_RECORDS_KEY"):
                database.check()
            with pytest.raises(SealError):
                Records(database).story("CA1")
    with opened(database_url, NEW, OLD) as database:
        database.check()
        put(database, "CA2")
        stories = [Records(database).story(sid) for sid in ("CA1", "CA2")]
    assert all(SAID in repr(story) for story in stories)


def test_what_was_written_before_there_was_a_key_is_read_with_one(database_url: str) -> None:
    with opened(database_url) as database:
        put(database, "CA1")
        assert [call.call_sid for call in Records(database).calls(Filter(words="violet"))] == ["CA1"]
    with opened(database_url, NEW) as database:
        database.check()
        assert SAID in repr(Records(database).story("CA1"))
        assert [call.caller for call in Records(database).calls(Filter(caller_key="key-1"))] == [NUMBER]
        with pytest.raises(RecordsError, match="encrypted"):
            Records(database).calls(Filter(words="violet"))
