"""A caller is forgotten in either database: by their keys, by their number where it is in clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.call import facts
from callbridge.records.forgetting import Caller, forget
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from records.shipments import HANGUP, STARTED, T0, entry, store

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.records.database import Database

NUMBER = "+447700900123"


def put(database: Database, call_sid: str, caller_key: str, caller: str = "********23", **more: bool) -> None:
    started = msgspec.structs.replace(STARTED, caller=caller, caller_key=caller_key)
    said = facts.TurnEnded(1, "hello", "hello", 480, interrupted=False)
    told: list[Fact] = [started, said, *([] if more.get("is_live") else [HANGUP])]
    store(database, *(entry(call_sid, number, fact) for number, fact in enumerate(told, 1)))
    with database.writing() as connection:
        project(connection, call_sid, T0)


def test_of_a_caller_nothing_is_left_and_of_others_all(database: Database) -> None:
    for number in range(25):  # More than go at once.
        put(database, f"CA{number:02}", "key-1" if number % 2 else "an-earlier-key")
    put(database, "CA50", "lost-key", NUMBER)
    put(database, "CA51", "key-1", is_live=True)
    put(database, "CA52", "key-2", "+447700900124")
    caller = Caller(("key-1", "an-earlier-key"), NUMBER)
    rehearsed = forget(database, caller, lambda _: "", is_rehearsal=True)
    assert len(Records(database).calls()) == 28
    forgotten = forget(database, caller, lambda _: "")
    assert forgotten.rows == rehearsed.rows
    assert (forgotten.rows["facts"], forgotten.rows["calls"], forgotten.rows["turns"]) == (78, 26, 26)
    assert list(forgotten.left) == ["CA51"]
    assert forgotten.is_overwritten
    assert sorted(call.call_sid for call in Records(database).calls()) == ["CA51", "CA52"]
    assert forget(database, Caller(("key-3",), ""), lambda _: "").calls == []
