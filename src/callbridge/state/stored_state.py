"""A `State` in a home: what several processes share, old and new at a deploy, or on many machines.

Everything here runs on the event loop and only talks to the writer and the watch, whose threads use the home.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from callbridge.state.neighbour_rows import stored_others
from callbridge.state.neighbours import ToAll, ToCarrier
from callbridge.state.reply import Reply
from callbridge.state.rows import (
    last_of_each,
    stored_calls,
    stored_events,
    stored_record,
    stored_spend,
    stored_texts,
)
from callbridge.state.watch import Watch
from callbridge.state.writer import Writer
from callbridge.state.writes import (
    CallerForgotten,
    CallerNote,
    CallerRemembered,
    EventWrite,
    PlaceCarried,
    PlaceClaim,
    PlaceFreed,
    PlaceGivenBack,
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

    from sqlalchemy import Connection

    from callbridge.state.callers import CallerRecord
    from callbridge.state.home import Home
    from callbridge.state.neighbours import News, ProcessSeen
    from callbridge.state.places import CallerBounds
    from callbridge.state.state import CallEvent, Retention, Unwritten
    from callbridge.state.text_notes import TextNote
    from callbridge.state.writes import Write

ANSWER_WAIT_S = 5.0
"""After this a question is answered from what waits, and a flush gives up: the thread hangs in its disk.
Nobody waits for a server that is away."""

CLAIM_WAIT_S = 2.0
"""A caller hears nothing while a token is judged; silence becomes noticeable at about four seconds."""

_LOOKS_EVERY_S: Final = 0.1
"""So soon somebody who waits for a server notices that it is away."""

T = TypeVar("T")
R = TypeVar("R")


class StoredState:
    """All of a `State` but the journal.

    Args:
        home: where it is kept.
        process: the name of this process.
        clock: seconds since 1970.
        retention: how long things are kept.
    """

    def __init__(self, home: Home, process: str, clock: Callable[[], float], retention: Retention) -> None:
        self.process = process
        self.away: str | None = None
        self._home, self._clock, self._retention = home, clock, retention
        self._writer = Writer(home, process, clock, retention)
        self._watch = Watch(home, process)
        self._spend_noted = 0
        self._tokens_claimed = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._writer!r}>"

    def _start(self, *, is_alone: bool = False) -> None:
        """`is_alone`: there are no other processes to hear of."""
        self._writer.start()
        if not is_alone:
            self._watch.start()

    async def died(self) -> str:
        """Why the writer has ended, once it has by a fault of ours."""
        reply: Reply[str] = Reply()
        self.mourn(reply)
        return await reply.settled()

    def mourn(self, reply: Reply[str]) -> None:
        """Settles `reply` with the same."""
        self._writer.mourn(reply)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept at the moment."""
        return self._home_trouble

    @property
    def _home_trouble(self) -> str | None:
        return self._writer.trouble or self._watch.trouble

    @property
    def unwritten(self) -> Unwritten:
        """What waits for the home."""
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
        self._tokens_claimed += 1
        claim = TokenClaim(digest, expires_at, Reply(), f"{self.process}-{self._tokens_claimed}")
        self._writer.put(claim)
        verdict = await claim.reply.within(CLAIM_WAIT_S if self._home_trouble is None else 0)
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
        """(at, microdollars), oldest first. News bring what the first answer that was read does not have."""
        last: dict[str, int] | None = None

        def stored(connection: Connection) -> tuple[tuple[float, int], ...]:
            nonlocal last
            found = stored_spend(connection, since)
            last = last_of_each(found)
            return tuple((note.at, note.microdollars) for note in found)

        found = await self._read(stored, partial(with_spend, since=since))
        if last is not None or self.trouble is None:
            self._watch.know_spend(last or {})
        return found

    async def claim_place(
        self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float
    ) -> bool | None:
        """Whether this caller may have one more call."""
        if self.trouble is not None:
            return None
        claim = PlaceClaim(storable(call_sid), storable(caller_key), bounds, at, Reply())
        self._writer.put(claim)
        is_granted: bool | None = None
        try:
            is_granted = await self._settled(claim.reply, CLAIM_WAIT_S)
        finally:  # Whoever asks may have less time than this.
            if is_granted is None:
                claim.reply.settle(False)  # Withdrawn: a call that is declined needs no place later.
        return is_granted

    def carry(self, call_sid: str, caller_key: str) -> None:
        """Queues that a stream of the call runs here."""
        self._writer.put(PlaceCarried(storable(call_sid), storable(caller_key), time.monotonic()))

    def keep_place(self, call_sid: str, for_s: float) -> None:
        """Queues that it has ended, and another one is to come."""
        self._writer.put(PlaceKept(storable(call_sid), for_s))

    def free_place(self, call_sid: str) -> None:
        """Queues that the call is over."""
        self._writer.put(PlaceFreed(storable(call_sid)))

    def give_back_place(self, call_sid: str) -> None:
        """Queues that the call is not taken here."""
        self._writer.put(PlaceGivenBack(storable(call_sid)))

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

    async def flush(self) -> bool:
        """Whether all that was queued is written. Returns when it is, or there is trouble."""
        reply: Reply[bool] = Reply()
        self._writer.flush(reply)
        is_written = await self._settled(reply, ANSWER_WAIT_S)
        return bool(is_written)

    async def close(self) -> None:
        """Writes what waits and ends the thread."""
        await self.flush()
        await self._watch.close()
        reply: Reply[bool] = Reply()
        self._writer.close(reply)
        await reply.within(ANSWER_WAIT_S)
        self._home.close()

    async def _read(
        self,
        stored: Callable[[Connection], tuple[T, ...]],
        merged: Callable[[tuple[T, ...], tuple[Write, ...]], tuple[T, ...]],
    ) -> tuple[T, ...]:
        reply: Reply[tuple[T, ...]] = Reply()

        def answer(connection: Connection | None, waiting: tuple[Write, ...]) -> None:
            reply.settle(merged(() if connection is None else stored(connection), waiting))

        if self._is_away:
            return merged((), self._writer.waiting)
        self._writer.ask(answer)
        found = await self._settled(reply, ANSWER_WAIT_S)
        return merged((), self._writer.waiting) if found is None else found

    async def _settled(self, reply: Reply[R], wait_s: float) -> R | None:
        """What is answered in this time; nothing as soon as a server is away."""
        give_up_at = time.monotonic() + wait_s
        while (left_s := give_up_at - time.monotonic()) > 0:
            pause_s = min(left_s, _LOOKS_EVERY_S) if self._home.is_remote else left_s
            if (value := await reply.within(pause_s)) is not None or self._is_away:
                return value
        return reply.value

    @property
    def _is_away(self) -> bool:
        return self._home.is_remote and self._home_trouble is not None
