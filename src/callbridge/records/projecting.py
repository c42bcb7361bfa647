"""Rows of a call that people ask for, made of its story, and made again whenever more is known.

`project` runs in somebody's transaction. At the first end of a call its *outgrowths* run in the same one:
what follows an end, once, like the deliveries that tell of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from sqlalchemy import delete, insert, select, text, update

from callbridge.call import facts as call_facts
from callbridge.records.call_list import summary_of
from callbridge.records.database import prices_at
from callbridge.records.schema import calls, captures, facts, tools, turns
from callbridge.records.telling import StoredFact, tell
from callbridge.records.upserts import insert_or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from callbridge.records.database import Database
    from callbridge.records.story import CallStory

    Outgrowth: TypeAlias = Callable[[Connection, CallStory], None]
    """What an ended call leads to, written in the transaction that writes down its end."""

_LOCKS: Final = 0x6362  # "cb"
"""Of PostgreSQL's advisory locks with two keys."""

_LOCK_CALLS: Final = text(
    "SELECT pg_advisory_xact_lock(:space, hashtext(named)) FROM unnest(CAST(:named AS text[])) AS named"
)

OVER = frozenset({"ended", "declined"})
"""States of a call after which none comes."""


def stored_facts(connection: Connection, call_sid: str) -> list[StoredFact]:
    """All facts of a call, in the order of their times."""
    return facts_of(connection, [call_sid]).get(call_sid, [])


def facts_of(connection: Connection, call_sids: Sequence[str]) -> dict[str, list[StoredFact]]:
    """The same of several calls."""
    wanted = (
        select(facts.c.call_sid, facts.c.source, facts.c.number, facts.c.at, facts.c.body, facts.c.process)
        .where(facts.c.call_sid.in_(call_sids))
        .order_by(facts.c.at, facts.c.source, facts.c.number)
    )
    found: dict[str, list[StoredFact]] = {}
    for call_sid, source, number, at, body, process in connection.execute(wanted):
        found.setdefault(call_sid, []).append(StoredFact(source, number, at, decoded(body), process))
    return found


def decoded(body: str) -> call_facts.Fact | None:
    """The fact; nothing for one of a kind that this callbridge does not know."""
    try:
        return call_facts.decode(body.encode())
    except msgspec.DecodeError:
        return None


def project(
    connection: Connection, call_sid: str, now: float, outgrowths: Sequence[Outgrowth] = ()
) -> CallStory:
    """Makes all rows of a call anew. At its first end `outgrowths` run, if any are given."""
    return project_all(connection, [call_sid], now, outgrowths)[0]


def project_all(
    connection: Connection, call_sids: Sequence[str], now: float, outgrowths: Sequence[Outgrowth] = ()
) -> list[CallStory]:
    """The same of several calls, in as many statements as one takes."""
    lock_calls(connection, call_sids)
    told = facts_of(connection, call_sids)
    prices = prices_at(connection)
    stories = [tell(call_sid, told.get(call_sid, []), prices) for call_sid in call_sids]
    known = select(calls.c.call_sid, calls.c.outgrown_at).where(calls.c.call_sid.in_(call_sids))
    outgrown = {row.call_sid: row.outgrown_at for row in connection.execute(known)}
    rows = [
        _storable(_call_row(story))
        | {"last_at": max((fact.at for fact in told.get(story.call_sid, [])), default=now)}
        for story in stories
    ]
    _upsert_calls(connection, rows)
    for table, made_of in ((turns, _turn_rows), (tools, _tool_rows), (captures, _capture_rows)):
        if outgrown:
            connection.execute(delete(table).where(table.c.call_sid.in_(outgrown)))
        if made := [_storable(row) for story in stories for row in made_of(story)]:
            connection.execute(insert(table), made)
    first_ends = [story for story in stories if story.state in OVER and outgrown.get(story.call_sid) is None]
    if outgrowths and first_ends:
        _outgrow(connection, first_ends, now, outgrowths)
    return stories


def _upsert_calls(connection: Connection, rows: list[dict[str, Any]]) -> None:
    upsert = insert_or(connection, calls)
    anew = {name: upsert.excluded[name] for name in rows[0] if name != "call_sid"}
    connection.execute(upsert.on_conflict_do_update(index_elements=["call_sid"], set_=anew), rows)


def _outgrow(
    connection: Connection, stories: Sequence[CallStory], now: float, outgrowths: Sequence[Outgrowth]
) -> None:
    for story in stories:
        for outgrow in outgrowths:
            outgrow(connection, story)
    ended = calls.c.call_sid.in_([story.call_sid for story in stories])
    connection.execute(update(calls).where(ended).values(outgrown_at=now))


def lock_calls(connection: Connection, call_sids: Sequence[str]) -> None:
    """Nobody else makes the rows of these calls until the transaction is over. SQLite has one writer anyway.

    In the order of their names: two processes that wait for each other's calls would wait for ever.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_CALLS, {"space": _LOCKS, "named": sorted(call_sids)})


def rebuild(database: Database, now: float, progress: Callable[[int, int], object]) -> int:
    """Makes the rows of all calls anew, each call in a transaction of its own; answers how many there are.

    Nothing follows from it: what is told to others was told, or is still to be told by the service.

    Args:
        database: which records.
        now: in seconds since 1970.
        progress: told after each call how many are done, and of how many.

    Raises:
        RecordsError: the database cannot be used.
    """
    with database.reading() as connection:
        sids = connection.execute(select(facts.c.call_sid).distinct()).scalars().all()
    for done, call_sid in enumerate(sids, 1):
        with database.writing() as connection:
            project(connection, call_sid, now)
        progress(done, len(sids))
    return len(sids)


def storable(text: str) -> str:
    """Without what PostgreSQL has no place for: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}


# --- Rows ---------------------------------------------------------------------------------------------


def _call_row(story: CallStory) -> dict[str, Any]:
    return msgspec.structs.asdict(summary_of(story)) | {"call_values": story.values}


def _turn_rows(story: CallStory) -> Iterator[dict[str, Any]]:
    # By their place: a turn's own number begins anew in each stream.
    for place, turn in enumerate(story.turns, 1):
        yield {
            "call_sid": story.call_sid,
            "number": place,
            "began_ms": turn.began_ms,
            "caller": turn.caller,
            "agent": " ".join(item.words for item in turn.agent if item.words),
            "heard": turn.heard,
            "keys": turn.keys,
            "was_interrupted": turn.was_interrupted,
            "barge_in_ms": turn.barge_in_ms,
            "response_ms": None if turn.latency is None else turn.latency.whole_ms,
            "ours_ms": None if turn.latency is None else turn.latency.ours_ms,
        }


def _tool_rows(story: CallStory) -> Iterator[dict[str, Any]]:
    uses = ((number, use) for number, turn in enumerate(story.turns, 1) for use in turn.tools)
    for position, (number, use) in enumerate(uses, 1):
        yield {
            "call_sid": story.call_sid,
            "position": position,
            "turn": number,
            "call_id": use.call_id,
            "name": use.name,
            "began_ms": use.began_ms,
            "duration_ms": use.duration_ms,
            "outcome": use.outcome,
            "arguments": use.arguments,
            "result": use.result,
            "is_ours": use.is_ours,
        }


def _capture_rows(story: CallStory) -> Iterator[dict[str, Any]]:
    for form, data in story.captured.items():
        yield {"call_sid": story.call_sid, "form": form, "data": data}
