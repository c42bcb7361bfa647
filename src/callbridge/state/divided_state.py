"""A `State` in two places: what live calls have said and which tokens were used in one, the rest in another.

Nothing is decided here: each question goes to whoever keeps the answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.state.state import Unwritten

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.state.callers import CallerRecord
    from callbridge.state.journal import Journal, JournalEntry
    from callbridge.state.neighbours import News, ProcessSeen
    from callbridge.state.places import CallerBounds
    from callbridge.state.state import CallEvent, CallMemory, State
    from callbridge.state.text_notes import TextNote


class DividedState:
    """Two that are one to everybody else.

    Args:
        calls: keeps events and tokens.
        rest: keeps all else, and is told of no event and no token.
    """

    def __init__(self, calls: CallMemory, rest: State) -> None:
        self._calls, self._rest = calls, rest

    def __repr__(self) -> str:
        return f"<DividedState {self._calls!r} {self._rest!r}>"

    # --- Of both

    async def flush(self) -> bool:
        """Whether all that was queued is written."""
        return all(await asyncio.gather(self._calls.flush(), self._rest.flush()))

    async def close(self) -> None:
        """Closes both."""
        await asyncio.gather(self._calls.close(), self._rest.close())

    async def died(self) -> str:
        """Why one of them keeps nothing any more."""
        async with asyncio.TaskGroup() as tasks:
            dying = [tasks.create_task(part.died()) for part in (self._calls, self._rest)]
            done, waiting = await asyncio.wait(dying, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
        return next(iter(done)).result()

    @property
    def trouble(self) -> str | None:
        """Why one of them can keep nothing at the moment, or both."""
        return " ".join(filter(None, (self._calls.trouble, self._rest.trouble))) or None

    @property
    def unwritten(self) -> Unwritten:
        """What waits for both."""
        calls, rest = self._calls.unwritten, self._rest.unwritten
        return Unwritten(calls.rows + rest.rows, max(calls.for_s, rest.for_s))

    # --- Of live calls

    def append(self, call_sid: str, kind: str, body: bytes) -> None:
        """Queues an event of a call."""
        self._calls.append(call_sid, kind, body)

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The events of the call."""
        return await self._calls.events(call_sid)

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        """True for the first who asks."""
        return await self._calls.claim_token(digest, expires_at)

    @property
    def events_shed(self) -> int:
        """Memory details that were lost for want of room."""
        return self._calls.events_shed

    # --- The rest

    @property
    def process(self) -> str:
        """The name of this start of callbridge."""
        return self._rest.process

    @property
    def away(self) -> str | None:
        """Why the rest could not be read at the start."""
        return self._rest.away

    def note_call(self, caller_key: str, at: float) -> None:
        """Queues that this caller called."""
        self._rest.note_call(caller_key, at)

    async def recent_calls(self, since: float) -> tuple[tuple[str, float], ...]:
        """(caller_key, at), oldest first."""
        return await self._rest.recent_calls(since)

    def note_spend(self, at: float, microdollars: int) -> None:
        """Queues that money was spent."""
        self._rest.note_spend(at, microdollars)

    async def spend(self, since: float) -> tuple[tuple[float, int], ...]:
        """(at, microdollars), oldest first."""
        return await self._rest.spend(since)

    async def claim_place(
        self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float
    ) -> bool | None:
        """Whether this caller may have one more call."""
        return await self._rest.claim_place(call_sid, caller_key, bounds, at)

    def carry(self, call_sid: str, caller_key: str) -> None:
        """Queues that a stream of the call runs here."""
        self._rest.carry(call_sid, caller_key)

    def keep_place(self, call_sid: str, for_s: float) -> None:
        """Queues that it has ended, and another one is to come."""
        self._rest.keep_place(call_sid, for_s)

    def free_place(self, call_sid: str) -> None:
        """Queues that the call is over."""
        self._rest.free_place(call_sid)

    def give_back_place(self, call_sid: str) -> None:
        """Queues that the call is not taken here."""
        self._rest.give_back_place(call_sid)

    def tell_carrier(self, call_sid: str, what: str, body: bytes = b"") -> None:
        """Queues a message for who carries the call."""
        self._rest.tell_carrier(call_sid, what, body)

    def tell_all(self, what: str, body: bytes = b"") -> None:
        """Queues a message for all others."""
        self._rest.tell_all(what, body)

    def news(self) -> AsyncIterator[News]:
        """What the others tell."""
        return self._rest.news()

    async def others(self) -> tuple[ProcessSeen, ...]:
        """The others that are alive."""
        return await self._rest.others()

    def say(self, *, is_leaving: bool) -> None:
        """Lets the others know."""
        self._rest.say(is_leaving=is_leaving)

    def remember(self, caller_key: str, agent: str, record: CallerRecord) -> None:
        """Queues what is known of a caller."""
        self._rest.remember(caller_key, agent, record)

    async def recall(self, caller_key: str, agent: str, now: float) -> CallerRecord | None:
        """What may be known of a caller at `now`."""
        return await self._rest.recall(caller_key, agent, now)

    def forget(self, caller_key: str) -> None:
        """Queues that all that is known of a caller is deleted."""
        self._rest.forget(caller_key)

    def note_text(self, note: TextNote) -> None:
        """Queues a note about texts."""
        self._rest.note_text(note)

    async def texts(self, caller_key: str, since: float) -> tuple[TextNote, ...]:
        """What is noted of a caller."""
        return await self._rest.texts(caller_key, since)

    def keep(self, entry: JournalEntry) -> None:
        """Queues a row of the journal."""
        self._rest.keep(entry)

    @property
    def journal(self) -> Journal:
        """What is on its way to the records."""
        return self._rest.journal
