"""Takes calls, or the words of calls, out of the records. In somebody's transaction; nothing here begins one.

What belongs to a call is found by its `call_sid`, in whichever tables there are: a table that is added is
emptied, too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import delete, func, select, update

from callbridge.call import facts as call_facts
from callbridge.records.keeping import kept
from callbridge.records.projecting import decoded, project
from callbridge.records.schema import calls, facts, tables
from callbridge.records.sealed_columns import seal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from callbridge.records.keeping import Keeping

OF_CALLS: Final[tuple[Table, ...]] = tuple(
    table for table in tables.sorted_tables if "call_sid" in table.columns
)
"""All tables that say something of a call."""

MADE_OF_WORDS: Final = ("raw_events", "analyses", "deliveries")
"""Of these nothing is left without words: what came over the wires, what was found in it, what was told."""


def recordings_of(connection: Connection, call_sids: Sequence[str]) -> dict[str, list[str]]:
    """The names of the recordings of these calls that were stored."""
    wanted = select(facts.c.call_sid, facts.c.body).where(
        facts.c.call_sid.in_(call_sids), facts.c.kind == "recording_stored"
    )
    names: dict[str, list[str]] = {call_sid: [] for call_sid in call_sids}
    for call_sid, body in connection.execute(wanted):
        names[call_sid].append(msgspec.json.decode(body, type=_Stored).name)
    return names


class _Stored(msgspec.Struct):
    """Of the fact, what matters here."""

    name: str


def count_calls(connection: Connection, call_sids: Sequence[str]) -> Counter[str]:
    """How many rows of each table are of these calls."""
    found: Counter[str] = Counter()
    for table in OF_CALLS:
        theirs = select(func.count()).select_from(table).where(table.c.call_sid.in_(call_sids))
        found[table.name] += connection.execute(theirs).scalar_one()
    return found


def erase_calls(connection: Connection, call_sids: Sequence[str]) -> Counter[str]:
    """Deletes all that is on record of these calls; how many rows that were, by table."""
    gone: Counter[str] = Counter()
    for table in OF_CALLS:
        gone[table.name] += connection.execute(delete(table).where(table.c.call_sid.in_(call_sids))).rowcount
    return gone


def erase_words(connection: Connection, call_sid: str, keeping: Keeping, now: float) -> Counter[str]:
    """Deletes the words of a call, and makes its rows anew. How many rows had some, by table.

    A fact that this callbridge does not know may hold words: it is deleted.
    """
    gone = Counter({"facts": _without_words(connection, call_sid, keeping)})
    for name in MADE_OF_WORDS:
        table = tables.tables[name]
        gone[name] += connection.execute(delete(table).where(table.c.call_sid == call_sid)).rowcount
    project(connection, call_sid, now)
    connection.execute(update(calls).where(calls.c.call_sid == call_sid).values(wordless_at=now))
    return gone


def _without_words(connection: Connection, call_sid: str, keeping: Keeping) -> int:
    seal = seal_of(connection.dialect)
    wanted = select(facts.c.source, facts.c.number, facts.c.body).where(facts.c.call_sid == call_sid)
    changed = 0
    for source, number, body in connection.execute(wanted).all():
        fact = decoded(body)
        place = (facts.c.call_sid == call_sid, facts.c.source == source, facts.c.number == number)
        if fact is None:
            connection.execute(delete(facts).where(*place))
        elif (bare := kept(fact, keeping)) != fact:
            text = seal.seal(call_facts.encode(bare)).decode()
            connection.execute(update(facts).where(*place).values(body=text))
        else:
            continue
        changed += 1
    return changed
