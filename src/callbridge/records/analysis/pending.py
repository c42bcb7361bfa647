"""Which calls are still to be analysed: written down with their end, claimed by one process at a time.

What was found is a fact of the call, like all that is known of it. All of it blocks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import insert, select, update

from callbridge.call import facts
from callbridge.call.record_facts import ANALYSIS, CallAnalysed
from callbridge.records.projecting import project, storable, stored_facts
from callbridge.records.schema import analyses
from callbridge.records.schema import facts as stored
from callbridge.records.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from callbridge.records.analysis.completion import AnalysisFault
    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.story import CallStory

PENDING: Final = "pending"
DONE: Final = "done"
FAILED: Final = "failed"

LEASE_S: Final = 180.0
"""Longer than two questions take. Who dies with one is followed by another process then."""

AGAIN_S: Final = (30.0, 300.0, 1800.0, 7200.0, 21_600.0)
"""After each fault that may pass. After the last one the call is left without an analysis."""

AFTER_S_MAX: Final = 86_400.0
"""An endpoint that wants to be left alone for longer is asked again after a day."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which calls are analysed."""

    share: float = 1.0
    """0 to 1 of them, chosen by their CallSid: the same on every machine."""
    duration_ms_min: int = 0

    def has(self, story: CallStory) -> bool:
        """Whether this one is. One without words has nothing to be found in."""
        is_long = story.duration_ms >= self.duration_ms_min
        has_words = any(turn.caller for turn in story.turns)
        return story.state == "ended" and is_long and has_words and _place(story.call_sid) < self.share


def _place(call_sid: str) -> float:
    """Where the call stands between 0 and 1."""
    digest = hashlib.sha256(b"analysis " + call_sid.encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def asks_for_analysis(which: Which, clock: Callable[[], float]) -> Outgrowth:
    """Writes down, with the end of a call, that it is to be analysed."""

    def grow(connection: Connection, story: CallStory) -> None:
        if which.has(story):
            now = clock()
            row = {
                "call_sid": story.call_sid,
                "state": PENDING,
                "attempts": 0,
                "made_at": now,
                "due_at": now,
                "model": "",
                "detail": "",
            }
            connection.execute(insert(analyses), [row])

    return grow


class Pending:
    """The analyses of one database that are still to be made.

    Args:
        database: where they are.
        clock: seconds since 1970.
        analysed: what follows an analysis, in the transaction that writes it down.

    Every method raises RecordsError where the database cannot be used.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], analysed: Sequence[Outgrowth] = ()
    ) -> None:
        self._database, self._clock, self._analysed = database, clock, analysed

    def claim(self) -> CallStory | None:
        """A call that is due, for this process alone until `LEASE_S` from now; nothing where none is."""
        now = self._clock()
        is_free = analyses.c.leased_until.is_(None) | (analyses.c.leased_until < now)
        due = (analyses.c.state == PENDING) & (analyses.c.due_at <= now) & is_free
        first = select(analyses.c.call_sid).where(due).order_by(analyses.c.due_at).limit(1)
        with self._database.reading() as connection:
            if connection.scalar(first) is None:
                return None  # Almost always: nobody's write is held up by a look.
        with self._database.writing() as connection:
            call_sid = connection.scalar(first.with_for_update(skip_locked=True))
            if call_sid is None:
                return None
            self._set(connection, call_sid, leased_until=now + LEASE_S)
            return tell(call_sid, stored_facts(connection, call_sid))

    def found(self, call_sid: str, fact: CallAnalysed) -> None:
        """Writes down what was found, once: a call that was forgotten meanwhile stays so."""
        now = self._clock()
        with self._database.writing() as connection:
            row = select(analyses.c.state).where(analyses.c.call_sid == call_sid).with_for_update()
            if connection.scalar(row) != PENDING:
                return
            placed = msgspec.structs.replace(fact, call_sid=call_sid, source=ANALYSIS, number=1)
            connection.execute(insert(stored).values(_row(placed, now)))
            self._set(connection, call_sid, state=DONE, done_at=now, model=fact.model, leased_until=None)
            story = project(connection, call_sid, now)
            for outgrow in self._analysed:
                outgrow(connection, story)

    def failed(self, call_sid: str, fault: AnalysisFault) -> None:
        """It could not be made: it is tried again, or given up."""
        now = self._clock()
        with self._database.writing() as connection:
            mine = analyses.c.call_sid == call_sid
            tried = connection.scalar(select(analyses.c.attempts).where(mine).with_for_update())
            if tried is None:
                return
            is_over = fault.is_lasting or tried >= len(AGAIN_S)
            after_s = 0.0 if is_over else max(AGAIN_S[tried], min(fault.after_s or 0.0, AFTER_S_MAX))
            state = FAILED if is_over else PENDING
            self._set(
                connection,
                call_sid,
                state=state,
                attempts=tried + 1,
                due_at=now + after_s,
                leased_until=None,
                detail=fault.why,
            )

    @staticmethod
    def _set(connection: Connection, call_sid: str, **values: object) -> None:
        connection.execute(update(analyses).where(analyses.c.call_sid == call_sid).values(values))


def _row(fact: CallAnalysed, now: float) -> dict[str, object]:
    return {
        "call_sid": fact.call_sid,
        "source": fact.source,
        "number": fact.number,
        "at": now,
        "at_ms": fact.at_ms,
        "kind": fact.kind,
        "process": "",
        "body": storable(facts.encode(fact).decode()),
    }
