"""A `State` without a file, for who configured none and for tests: the same promises until the process ends.

It holds as many events as the other one lets wait. Beyond that it forgets calls that have ended, oldest
first: there is no later process that would ask for them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from callbridge.state.callers import CALLERS_IN_MEMORY_MAX
from callbridge.state.journal import MemoryJournal
from callbridge.state.memory_places import MemoryPlaces
from callbridge.state.neighbours import new_process
from callbridge.state.state import (
    ENDED,
    EVENTS_WAITING_MAX,
    KEPT,
    OVER,
    PRUNE_EVERY_S,
    SPEND_KEPT_S,
    STARTED,
    TOKEN_KEPT_S,
    Unwritten,
)
from callbridge.state.text_notes import since as those_since
from callbridge.state.text_notes import still_kept, with_note, without_words_of
from callbridge.state.writes import (
    CallerNote,
    EventWrite,
    SpendNote,
    storable,
    with_events,
    with_spend,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callbridge.state.callers import CallerRecord
    from callbridge.state.journal import JournalEntry
    from callbridge.state.neighbours import News, ProcessSeen
    from callbridge.state.places import CallerBounds
    from callbridge.state.state import CallEvent, Retention
    from callbridge.state.text_notes import TextNote


class MemoryState:
    """Events, tokens and notes in this process. Belongs to one event loop."""

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        retention: Retention = KEPT,
        *,
        events_max: int = EVENTS_WAITING_MAX,
        process: str | None = None,
    ) -> None:
        self.process = process or new_process()
        self._closed = asyncio.Event()
        self._clock = clock
        self._retention = retention
        self._events_max = events_max
        self._events: dict[str, list[EventWrite]] = {}
        self._events_held = 0
        self._over: set[str] = set()
        """Calls that are over, and have no details."""
        self._idle: dict[str, None] = {}
        """Calls without a stream, in the order of their latest events: declined, over, or about to go on."""
        self._tokens: dict[bytes, float] = {}
        self._places = MemoryPlaces(clock)
        self._spend: deque[SpendNote] = deque()
        self._records: dict[tuple[str, str], CallerRecord] = {}
        """By caller and agent, in the order of their latest calls."""
        self._texts: dict[str, tuple[TextNote, ...]] = {}
        """By caller, in the order of their latest ones."""
        self._pruned_at = clock()
        self._events_shed = 0
        self.journal = MemoryJournal()

    def __repr__(self) -> str:
        return f"<MemoryState calls={len(self._events)} events={self._events_held}>"

    async def died(self) -> str:
        """Never."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    @property
    def trouble(self) -> str | None:
        """Never any."""
        return None

    @property
    def unwritten(self) -> Unwritten:
        """Never any."""
        return Unwritten()

    @property
    def away(self) -> str | None:
        """Nothing is shared."""
        return None

    @property
    def events_shed(self) -> int:
        """Memory details that were lost for want of room."""
        return self._events_shed

    def append(self, call_sid: str, kind: str, body: bytes) -> None:
        """Adds an event of a call."""
        self._prune_when_due()
        event = EventWrite(storable(call_sid), storable(kind), self._clock(), bytes(body))
        if event.is_detail and event.call_sid in self._over:
            return
        # After the end of a stream Twilio still has news of the call: they do not make it live again.
        is_idle = event.kind == ENDED or event.call_sid in self._idle or event.call_sid not in self._events
        self._events.setdefault(event.call_sid, []).append(event)
        self._events_held += 1
        self._idle.pop(event.call_sid, None)
        if is_idle and event.kind != STARTED:
            self._idle[event.call_sid] = None
        if event.kind == OVER:
            self._over.add(event.call_sid)
            self._drop_words(event.call_sid)
        elif event.kind == STARTED:
            self._over.discard(event.call_sid)
        self._make_room()

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The events of the call, in order."""
        call_sid = storable(call_sid)
        return with_events((), self._events.get(call_sid, ()), call_sid)

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        """True for the first who asks."""
        self._prune_when_due()
        if digest in self._tokens:
            return False
        self._tokens[digest] = expires_at
        return True

    def note_call(self, caller_key: str, at: float) -> None:
        """Remembers that this caller called."""
        self._prune_when_due()
        self._places.note(CallerNote(storable(caller_key), at))

    async def recent_calls(self, since: float) -> tuple[tuple[str, float], ...]:
        """(caller_key, at), oldest first."""
        return self._places.calls(since)

    async def claim_place(self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float) -> bool:
        """Whether this caller may have one more call."""
        self._prune_when_due()
        return self._places.claim(storable(call_sid), storable(caller_key), bounds, at)

    def carry(self, call_sid: str, caller_key: str) -> None:
        """A stream of the call runs."""
        self._places.carry(storable(call_sid), storable(caller_key))

    def keep_place(self, call_sid: str, for_s: float) -> None:
        """Its stream has ended, and another one is to come."""
        self._places.keep(storable(call_sid), for_s)

    def free_place(self, call_sid: str) -> None:
        """The call is over."""
        self._places.free(storable(call_sid))

    def give_back_place(self, call_sid: str) -> None:
        """The call is not taken."""
        self._places.give_back(storable(call_sid))

    def tell_carrier(self, call_sid: str, what: str, body: bytes = b"") -> None:
        """Nobody else carries calls."""

    def tell_all(self, what: str, body: bytes = b"") -> None:
        """There is nobody else."""

    async def news(self) -> AsyncIterator[News]:
        """Nothing, until this is closed."""
        await self._closed.wait()
        nothing: tuple[News, ...] = ()
        for one in nothing:
            yield one

    async def others(self) -> tuple[ProcessSeen, ...]:
        """Nobody."""
        return ()

    def say(self, *, is_leaving: bool) -> None:
        """Nobody hears it."""

    def note_spend(self, at: float, microdollars: int) -> None:
        """Remembers that money was spent."""
        self._prune_when_due()
        self._spend.append(SpendNote(at, microdollars))

    async def spend(self, since: float) -> tuple[tuple[float, int], ...]:
        """(at, microdollars), oldest first."""
        return with_spend((), self._spend, since)

    def remember(self, caller_key: str, agent: str, record: CallerRecord) -> None:
        """Keeps what is known of a caller."""
        self._prune_when_due()
        self._records.pop((caller_key, agent), None)
        self._records[caller_key, agent] = record
        if len(self._records) > CALLERS_IN_MEMORY_MAX:
            del self._records[next(iter(self._records))]

    async def recall(self, caller_key: str, agent: str, now: float) -> CallerRecord | None:
        """What may be known of a caller at `now`."""
        record = self._records.get((caller_key, agent))
        return None if record is None else record.as_of(now, self._retention.callers_s)

    def note_text(self, note: TextNote) -> None:
        """Keeps a note about texts."""
        self._prune_when_due()
        self._texts[note.caller_key] = with_note(self._texts.pop(note.caller_key, ()), note)
        if len(self._texts) > CALLERS_IN_MEMORY_MAX:
            # Never what counts for all: strangers who write would wash a day's limit away.
            del self._texts[next(key for key in self._texts if key)]

    async def texts(self, caller_key: str, since: float) -> tuple[TextNote, ...]:
        """What is noted of a caller."""
        return those_since(self._texts.get(caller_key, ()), since)

    def forget(self, caller_key: str) -> None:
        """Drops all that is known of a caller."""
        if caller_key in self._texts:
            self._texts[caller_key] = without_words_of(self._texts[caller_key])
        self._records = {key: record for key, record in self._records.items() if key[0] != caller_key}

    def keep(self, entry: JournalEntry) -> None:
        """Adds a row of the journal."""
        self.journal.add(entry)

    async def flush(self) -> bool:
        """Nothing waits here."""
        return True

    async def close(self) -> None:
        """Nothing is open here. Whoever waits for news need not wait any more."""
        self._closed.set()

    def _make_room(self) -> None:
        while self._events_held > self._events_max:
            if self._idle:
                self._forget(next(iter(self._idle)))
            elif (oldest := self._oldest_detail()) is not None:
                self._shed(*oldest)
            else:
                return  # Starts and ends of live calls: never shed, and few.

    def _oldest_detail(self) -> tuple[str, int] | None:
        """Call and position of the first memory detail of the call that is here longest."""
        for call_sid, events in self._events.items():
            for position, event in enumerate(events):
                if event.is_detail:
                    return call_sid, position
        return None

    def _shed(self, call_sid: str, position: int) -> None:
        del self._events[call_sid][position]
        self._events_held -= 1
        self._events_shed += 1

    def _drop_words(self, call_sid: str) -> None:
        events = self._events[call_sid]
        self._events[call_sid] = [event for event in events if not event.is_detail]
        self._events_held -= len(events) - len(self._events[call_sid])

    def _forget(self, call_sid: str) -> None:
        self._events_held -= len(self._events.pop(call_sid))
        self._over.discard(call_sid)
        self._idle.pop(call_sid, None)

    def _prune_when_due(self) -> None:
        now = self._clock()
        if 0 <= now - self._pruned_at < PRUNE_EVERY_S:
            return
        self._pruned_at = now
        last_at = {call_sid: events[-1].at for call_sid, events in self._events.items() if events}
        for call_sid in [
            sid for sid in self._events if last_at.get(sid, 0.0) < now - self._retention.quiet_s
        ]:
            self._drop_words(call_sid)
        for call_sid in [
            sid for sid in self._events if last_at.get(sid, 0.0) < now - self._retention.outline_s
        ]:
            self._forget(call_sid)
        self._tokens = {key: end for key, end in self._tokens.items() if end >= now - TOKEN_KEPT_S}
        self._places.prune(now)
        self._spend = deque(note for note in self._spend if note.at >= now - SPEND_KEPT_S)
        known = {key: record.as_of(now, self._retention.callers_s) for key, record in self._records.items()}
        self._records = {key: record for key, record in known.items() if record is not None}
        kept_s = self._retention.callers_s
        texts = {
            key: tuple(note for note in notes if still_kept(note, now, kept_s))
            for key, notes in self._texts.items()
        }
        self._texts = {key: notes for key, notes in texts.items() if notes}
