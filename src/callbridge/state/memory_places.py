"""The places of one process alone, in memory."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from callbridge.state.places import DAY_S, RESERVED_S, TEN_MINUTES_S, CallerCounts
from callbridge.state.state import CALLER_NOTE_KEPT_S
from callbridge.state.writes import CallerNote, with_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.places import CallerBounds


@dataclass(slots=True)
class _Place:
    caller_key: str
    is_carried: bool
    reserved_until: float

    def is_live(self, now: float) -> bool:
        return self.is_carried or self.reserved_until > now


class MemoryPlaces:
    """Who called, and which of these calls are live."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._notes: defaultdict[str, deque[CallerNote]] = defaultdict(deque)
        """By caller."""
        self._begun: set[str] = set()
        """Calls whose start is noted."""
        self._places: dict[str, _Place] = {}

    def note(self, note: CallerNote) -> None:
        """A call has begun, or was turned away."""
        self._notes[note.caller_key].append(note)
        if note.call_sid:
            self._begun.add(note.call_sid)

    def calls(self, since: float) -> tuple[tuple[str, float], ...]:
        """Of `since` and later, oldest first."""
        return with_calls((), chain.from_iterable(self._notes.values()), since)

    def claim(self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float) -> bool:
        """As `Places.claim_place`."""
        is_known = call_sid in self._places or call_sid in self._begun
        if not is_known and not bounds.allows(self._counts(caller_key, at)):
            return False
        if call_sid not in self._begun:
            self.note(CallerNote(caller_key, at, call_sid))
        place = self._places.setdefault(call_sid, _Place(caller_key, is_carried=False, reserved_until=0.0))
        place.reserved_until = max(place.reserved_until, self._clock() + RESERVED_S)
        return True

    def carry(self, call_sid: str, caller_key: str) -> None:
        """As `Places.carry`."""
        self._places[call_sid] = _Place(caller_key, is_carried=True, reserved_until=0.0)

    def keep(self, call_sid: str, for_s: float) -> None:
        """As `Places.keep_place`."""
        place = self._places.get(call_sid)
        if place is not None and place.is_carried:
            place.is_carried, place.reserved_until = False, self._clock() + for_s

    def free(self, call_sid: str) -> None:
        """As `Places.free_place`."""
        self._places.pop(call_sid, None)

    def give_back(self, call_sid: str) -> None:
        """As `Places.give_back_place`."""
        if call_sid in self._places and not self._places[call_sid].is_carried:
            del self._places[call_sid]

    def prune(self, now: float) -> None:
        """Forgets what is too old to count."""
        for caller_key, notes in tuple(self._notes.items()):
            kept = deque(note for note in notes if note.at >= now - CALLER_NOTE_KEPT_S)
            self._notes[caller_key] = kept
            if not kept:
                del self._notes[caller_key]
        self._begun = {note.call_sid for note in chain.from_iterable(self._notes.values())}
        self._places = {sid: place for sid, place in self._places.items() if place.is_live(now)}

    def _counts(self, caller_key: str, at: float) -> CallerCounts:
        now = self._clock()
        starts = [note.at for note in self._notes.get(caller_key, ())]
        return CallerCounts(
            live=sum(
                place.caller_key == caller_key and place.is_live(now) for place in self._places.values()
            ),
            in_10_minutes=sum(start > at - TEN_MINUTES_S for start in starts),
            in_day=sum(start > at - DAY_S for start in starts),
        )
