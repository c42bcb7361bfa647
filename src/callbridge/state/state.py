"""What is kept beyond a call and beyond the process, as everybody else sees it: `State` and its values.

Two things keep it: `SqliteState` in a file, `MemoryState` in this process. Nobody outside of this room needs
to know which. All times are wall-clock seconds since 1970, because they are compared across processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from callbridge.state.callers import CallerMemory
from callbridge.state.journal import Journal, JournalEntry
from callbridge.state.neighbours import Neighbours
from callbridge.state.places import Places
from callbridge.state.text_notes import TextNotes

OUTLINE_KEPT_S = 24 * 3600.0
"""A call is forgotten when its last event is this old: Twilio lets no call last longer."""

QUIET_S = 15 * 60.0
"""A call of which nothing was told for this long is over, though nobody has said so: its process was killed,
and Twilio, which asks within seconds, asked nobody. A live call has a turn, a tool or an end in it."""

CALLER_NOTE_KEPT_S = 24 * 3600.0
"""The longest limit on a caller counts calls per day."""

SPEND_KEPT_S = 2 * 24 * 3600.0
"""The longest budget is a day's; a second one lets a day be counted in any time zone."""

TOKEN_KEPT_S = 3600.0
"""A used token is remembered this long after it expired, so that no step of the clock makes it good again."""

PRUNE_EVERY_S = 60.0
"""What is too old is deleted at the start and this often, and what was deleted is overwritten."""

EVENTS_WAITING_MAX = 10_000
"""Bound of what waits to be written: about three minutes of sixty busy calls, some 20 MB.

Beyond it the oldest memory detail is shed. Starts, ends and notes are never shed: a call has a handful."""

BODY_BYTES_MAX = 1024 * 1024
"""Far above any event of a call. One larger body is a mistake of ours."""

STARTED = "stream_started"
ENDED = "stream_ended"
DETAILS = frozenset(
    [
        *("turn_ended", "caller_words_came", "remembered", "call_described"),
        *("values_set", "step_entered", "agent_changed", "guest_changed", "attempt_failed"),
        *("field_kept", "field_refused", "captured", "capture_delivered"),
        *("called_before", "caller_texted", "transfer_asked"),
    ]
)
"""The kinds of event that are more than words here: a call without a stream may be forgotten first, and what
was said may be shed. An event is a fact of the call, and its kind that of the fact."""

OVER = "call_over"
"""The kind of event after which a call has no words: its details are dropped, and no later ones are taken
until another stream starts."""


class StateError(Exception):
    """The state cannot be opened. The message says why and what to do; raised at the start only."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long is kept what a call leaves."""

    outline_s: float = OUTLINE_KEPT_S
    """When its streams began and ended and what Twilio was told, in seconds after its last event."""

    quiet_s: float = QUIET_S
    """What was said in it, in seconds after its last event, where no `OVER` dropped it before."""

    callers_s: float = 0.0
    """What is remembered of a caller, in seconds after their last call; 0 for nothing."""


KEPT: Final = Retention()
"""What holds unless settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What was told and is not written down yet: for those who watch."""

    rows: int = 0
    for_s: float = 0.0
    """For how long nothing of it was taken, in seconds."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened in a call."""

    sequence: int
    """1, 2, 3, … within its call, with gaps where something was dropped. An event that is not written yet may
    still get a later number than it shows: another process may write to the same call."""

    at: float
    """When it was appended."""

    kind: str
    body: bytes
    """JSON text."""


class CallMemory(Protocol):
    """What is kept of live calls. No method raises because of a disk or a file, and none blocks the loop."""

    def append(self, call_sid: str, kind: str, body: bytes) -> None:
        """Queues an event of a call; returns at once."""

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """All events of the call that were appended before, in order, also those that still wait.

        While the file cannot be read the answer is what waits; `trouble` says so.
        """

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        """True for the first who asks, across all processes with this file; written before it answers.

        Whether the token has expired is the caller's to judge. While nothing can be written, this process
        alone judges who is first: a call is not refused because a disk is full.
        """

    async def flush(self) -> bool:
        """Whether all that was queued before is written. Returns when it is, or when there is trouble."""

    async def close(self) -> None:
        """Writes what waits, as `flush` does, and stops. What is told to a closed state is lost."""

    async def died(self) -> str:
        """Why nothing will be kept any more in this process. Returns once that is so; a close is none."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept at the moment, in words for an operator; or nothing. Any thread may ask."""

    @property
    def unwritten(self) -> Unwritten:
        """What waits to be written. Any thread may ask."""

    @property
    def events_shed(self) -> int:
        """How many events were lost for want of room since the start, all of them memory details."""


class State(CallMemory, CallerMemory, TextNotes, Places, Neighbours, Protocol):
    """What survives. No method raises because of a disk or a file, and none blocks the event loop."""

    def note_call(self, caller_key: str, at: float) -> None:
        """Queues that this caller called."""

    async def recent_calls(self, since: float) -> tuple[tuple[str, float], ...]:
        """(caller_key, at) of every call noted at `since` or later, oldest first."""

    def note_spend(self, at: float, microdollars: int) -> None:
        """Queues that money was spent."""

    async def spend(self, since: float) -> tuple[tuple[float, int], ...]:
        """(at, microdollars) of everything spent at `since` or later, oldest first."""

    def keep(self, entry: JournalEntry) -> None:
        """Queues a row of the journal, by which the records get to know of it."""

    @property
    def journal(self) -> Journal:
        """What is on its way to the records."""

    @property
    def away(self) -> str | None:
        """Why what is shared could not be used at the start, in the same words; or nothing."""
