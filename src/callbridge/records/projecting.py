"""Rows of a call that people ask for, made of its story, and made again whenever more is known.

`project` runs in somebody's transaction. At the first end of a call its *outgrowths* run in the same one:
what follows an end, once, like the deliveries that tell of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from sqlalchemy import delete, func, insert, select, update

from callbridge.call import facts as call_facts
from callbridge.records.database import prices_at
from callbridge.records.schema import calls, captures, facts, tools, turns
from callbridge.records.telling import StoredFact, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from callbridge.records.database import Database
    from callbridge.records.story import CallStory

    Outgrowth: TypeAlias = Callable[[Connection, CallStory], None]
    """What an ended call leads to, written in the transaction that writes down its end."""

_LOCKS: Final = 0x6362  # "cb"
"""Of PostgreSQL's advisory locks with two keys."""

OVER = frozenset({"ended", "declined"})
"""States of a call after which none comes."""


def stored_facts(connection: Connection, call_sid: str) -> list[StoredFact]:
    """All facts of a call, in the order of their times."""
    wanted = (
        select(facts.c.source, facts.c.number, facts.c.at, facts.c.body, facts.c.process)
        .where(facts.c.call_sid == call_sid)
        .order_by(facts.c.at, facts.c.source, facts.c.number)
    )
    return [
        StoredFact(source, number, at, decoded(body), process)
        for source, number, at, body, process in connection.execute(wanted)
    ]


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
    lock_call(connection, call_sid)
    known_facts = stored_facts(connection, call_sid)
    story = tell(call_sid, known_facts, prices_at(connection))
    known = connection.execute(select(calls.c.outgrown_at).where(calls.c.call_sid == call_sid)).all()
    row = _storable(_call_row(story)) | {"last_at": max((fact.at for fact in known_facts), default=now)}
    if known:
        connection.execute(update(calls).where(calls.c.call_sid == call_sid).values(row))
    else:
        connection.execute(insert(calls).values(row))
    for table, rows in ((turns, _turn_rows), (tools, _tool_rows), (captures, _capture_rows)):
        if known:
            connection.execute(delete(table).where(table.c.call_sid == call_sid))
        if made := [_storable(row) for row in rows(story)]:
            connection.execute(insert(table), made)
    is_outgrown = bool(known) and known[0].outgrown_at is not None
    if story.state in OVER and outgrowths and not is_outgrown:
        for outgrow in outgrowths:
            outgrow(connection, story)
        connection.execute(update(calls).where(calls.c.call_sid == call_sid).values(outgrown_at=now))
    return story


def lock_call(connection: Connection, call_sid: str) -> None:
    """Nobody else makes the rows of this call until the transaction is over. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(call_sid)))
        connection.execute(lock)


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
    models = [stream.model for stream in story.streams if stream.model]
    response = story.response
    return {
        "call_sid": story.call_sid,
        "state": story.state,
        "began_at": story.began_at,
        "ended_at": story.ended_at,
        "duration_ms": story.duration_ms,
        "direction": story.direction,
        "caller": story.caller,
        "caller_key": story.caller_key,
        "called": story.called,
        "agent": story.agent,
        "model": models[-1] if models else "",
        "end_reason": story.end_reason,
        "end_detail": story.end_detail,
        "streams": len(story.streams),
        "turns": len(story.turns),
        "tools": sum(len(turn.tools) for turn in story.turns),
        "interruptions": story.interruptions,
        "response_p50_ms": None if response is None else response.p50,
        "response_p95_ms": None if response is None else response.p95,
        "response_max_ms": None if response is None else response.max,
        "cost_microdollars": story.cost.microdollars,
        "call_values": story.values,
    }


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
