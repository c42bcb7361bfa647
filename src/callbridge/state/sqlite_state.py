"""A `State` in one SQLite file, which several processes may share: the old and the new one at a deploy.

Everything here runs on the event loop and only talks to `SqliteWriter`, whose thread has the file.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from callbridge.state.neighbour_rows import spent_by, stored_others
from callbridge.state.neighbours import ToAll, ToCarrier, new_process
from callbridge.state.reply import Reply
from callbridge.state.sqlite_file import SqliteHome, check_file
from callbridge.state.sqlite_journal import SqliteJournal
from callbridge.state.sqlite_rows import (
    stored_calls,
    stored_events,
    stored_record,
    stored_spend,
    stored_texts,
)
from callbridge.state.sqlite_writer import SqliteWriter
from callbridge.state.state import KEPT
from callbridge.state.watch import Watch
from callbridge.state.writes import (
    CallerForgotten,
    CallerNote,
    CallerRemembered,
    EventWrite,
    Journaled,
    PlaceCarried,
    PlaceClaim,
    PlaceFreed,
    PlaceKept,
    SpendNote,
    TextNoted,
    TokenClaim,
    ToldAll,
    ToldCarrier,
    is_first,
    storable,
    with_calls,
    with_events,
    with_record,
    with_spend,
    with_texts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from callbridge.state.callers import CallerRecord
    from callbridge.state.journal import JournalEntry
    from callbridge.state.neighbours import News, ProcessSeen
    from callbridge.state.places import CallerBounds
    from callbridge.state.state import CallEvent, Retention, Unwritten
    from callbridge.state.text_notes import TextNote
    from callbridge.state.writes import Write

ANSWER_WAIT_S = 5.0
"""After this a question is answered from what waits, and a flush gives up: the thread hangs in its disk."""

CLAIM_WAIT_S = 2.0
"""A caller hears nothing while a token is judged; silence becomes noticeable at about four seconds."""

T = TypeVar("T")


class SqliteState:
    """What survives, in the file at `path`.

    Raises:
        StateError: The file cannot be opened, is damaged, or is of another version.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        retention: Retention = KEPT,
        *,
        process: str | None = None,
    ) -> None:
        check_file(path)
        self.process = process or new_process()
        self._clock, self._retention = clock, retention
        self._home = SqliteHome(path, clock)
        self._writer = SqliteWriter(self._home, self.process, clock, retention)
        self._watch = Watch(self._home, self.process)
        self._spend_noted = 0
        self.journal = SqliteJournal(path, self._writer)
        self._writer.start()
        self._watch.start()

    def __repr__(self) -> str:
        return f"<SqliteState {self._writer!r}>"

    async def died(self) -> str:
        """Why the writer has ended, once it has by a fault of ours."""
        reply: Reply[str] = Reply()
        self._writer.mourn(reply)
        return await reply.settled()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept at the moment."""
        return self._writer.trouble

    @property
    def unwritten(self) -> Unwritten:
        """What waits for the file."""
        return self._writer.unwritten

    @property
    def events_shed(self) -> int:
        """Memory details that were lost for want of room."""
        return self._writer.events_shed

    def append(self, call_sid: str, kind: str, body: bytes) -> None:
        """Queues an event of a call."""
        self._writer.put(EventWrite(storable(call_sid), storable(kind), self._clock(), bytes(body)))

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The events of the call, written or waiting."""
        call_sid = storable(call_sid)
        return await self._read(
            partial(stored_events, call_sid=call_sid), partial(with_events, call_sid=call_sid)
        )

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        """True for the first who asks, in any process with this file."""
        claim = TokenClaim(digest, expires_at, Reply())
        self._writer.put(claim)
        verdict = await claim.reply.within(CLAIM_WAIT_S if self.trouble is None else 0)
        if verdict is None:
            verdict = is_first(claim, self._writer.waiting)
        # Neither answered nor waiting: it was answered between these two looks.
        return bool(claim.reply.value) if verdict is None else verdict

    def note_call(self, caller_key: str, at: float) -> None:
        """Queues that this caller called."""
        self._writer.put(CallerNote(storable(caller_key), at))

    async def recent_calls(self, since: float) -> tuple[tuple[str, float], ...]:
        """(caller_key, at), oldest first."""
        return await self._read(partial(stored_calls, since=since), partial(with_calls, since=since))

    def note_spend(self, at: float, microdollars: int) -> None:
        """Queues that money was spent."""
        self._spend_noted += 1
        self._writer.put(SpendNote(at, microdollars, self.process, self._spend_noted))

    async def spend(self, since: float) -> tuple[tuple[float, int], ...]:
        """(at, microdollars), oldest first. News bring what this answer does not have."""
        last: dict[str, int] = {}

        def stored(connection: Connection) -> tuple[tuple[float, int], ...]:
            last.update(spent_by(connection))
            return stored_spend(connection, since)

        found = await self._read(stored, partial(with_spend, since=since))
        self._watch.know_spend(last)
        return found

    async def claim_place(
        self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float
    ) -> bool | None:
        """Whether this caller may have one more call."""
        claim = PlaceClaim(storable(call_sid), storable(caller_key), bounds, at, Reply())
        self._writer.put(claim)
        return await claim.reply.within(CLAIM_WAIT_S if self.trouble is None else 0)

    def carry(self, call_sid: str, caller_key: str) -> None:
        """Queues that a stream of the call runs here."""
        self._writer.put(PlaceCarried(storable(call_sid), storable(caller_key)))

    def keep_place(self, call_sid: str, for_s: float) -> None:
        """Queues that it has ended, and another one is to come."""
        self._writer.put(PlaceKept(storable(call_sid), for_s))

    def free_place(self, call_sid: str) -> None:
        """Queues that the call is over."""
        self._writer.put(PlaceFreed(storable(call_sid)))

    def tell_carrier(self, call_sid: str, what: str, body: bytes = b"") -> None:
        """Queues a message for who carries the call."""
        self._writer.put(ToldCarrier(ToCarrier(storable(call_sid), storable(what), bytes(body))))

    def tell_all(self, what: str, body: bytes = b"") -> None:
        """Queues a message for all others."""
        self._writer.put(ToldAll(ToAll(storable(what), bytes(body))))

    def news(self) -> AsyncIterator[News]:
        """What the others tell."""
        return self._watch.news()

    async def others(self) -> tuple[ProcessSeen, ...]:
        """The others that are alive."""

        def stored(connection: Connection) -> tuple[ProcessSeen, ...]:
            return stored_others(connection, self.process, self._home.now())

        return await self._read(stored, lambda stored, _: stored)

    def say(self, *, is_leaving: bool) -> None:
        """Lets the others know."""
        self._watch.say(is_leaving=is_leaving)

    def remember(self, caller_key: str, agent: str, record: CallerRecord) -> None:
        """Queues what is known of a caller."""
        self._writer.put(CallerRemembered(storable(caller_key), storable(agent), record))

    async def recall(self, caller_key: str, agent: str, now: float) -> CallerRecord | None:
        """What may be known of a caller at `now`, written or waiting."""
        key, agent = storable(caller_key), storable(agent)
        found = await self._read(
            partial(stored_record, caller_key=key, agent=agent),
            partial(with_record, caller_key=key, agent=agent),
        )
        return found[0].as_of(now, self._retention.callers_s) if found else None

    def note_text(self, note: TextNote) -> None:
        """Queues a note about texts."""
        self._writer.put(TextNoted(replace(note, shelf=storable(note.shelf), words=storable(note.words))))

    async def texts(self, caller_key: str, since: float) -> tuple[TextNote, ...]:
        """What is noted of a caller, written or waiting."""
        return await self._read(
            partial(stored_texts, caller_key=caller_key, moment=since),
            partial(with_texts, caller_key=caller_key, moment=since),
        )

    def forget(self, caller_key: str) -> None:
        """Queues that all that is known of a caller is deleted."""
        self._writer.put(CallerForgotten(storable(caller_key)))

    def keep(self, entry: JournalEntry) -> None:
        """Queues a row of the journal."""
        self._writer.put(
            Journaled(replace(entry, call_sid=storable(entry.call_sid), source=storable(entry.source)))
        )

    async def flush(self) -> bool:
        """Whether all that was queued is written. Returns when it is, or there is trouble."""
        reply: Reply[bool] = Reply()
        self._writer.flush(reply)
        return bool(await reply.within(ANSWER_WAIT_S))

    async def close(self) -> None:
        """Writes what waits and ends the thread."""
        await self.flush()
        await self._watch.close()
        reply: Reply[bool] = Reply()
        self._writer.close(reply)
        await reply.within(ANSWER_WAIT_S)

    async def _read(
        self,
        stored: Callable[[Connection], tuple[T, ...]],
        merged: Callable[[tuple[T, ...], tuple[Write, ...]], tuple[T, ...]],
    ) -> tuple[T, ...]:
        reply: Reply[tuple[T, ...]] = Reply()

        def answer(connection: Connection | None, waiting: tuple[Write, ...]) -> None:
            reply.settle(merged(() if connection is None else stored(connection), waiting))

        self._writer.ask(answer)
        found = await reply.within(ANSWER_WAIT_S)
        return merged((), self._writer.waiting) if found is None else found
