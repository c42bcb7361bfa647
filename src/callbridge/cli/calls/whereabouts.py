"""Who carries one call that is followed, as far as it is seen; and when nothing more comes of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.facts import HTTP, CallClosed, CallOver, EndReason, StreamEnded, StreamStarted
from callbridge.cli.calls.attaching import BACK_WITHIN_S
from callbridge.observe.feed import LiveFact, LiveWords

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.observe.feed import FeedItem


class Whereabouts:
    """What is known of it. Times are in seconds on any clock that never runs backwards."""

    def __init__(self, call_sid: str) -> None:
        self._call_sid = call_sid
        self._carrier: int | None = None
        self._has_caller_left = False
        self._awaited_until: float | None = None
        """By when it is to go on somewhere."""
        self.is_over = False
        """Whether the latest event was the last of it."""

    def is_of_it(self, event: FeedItem | None) -> bool:
        """Whether this has happened in it."""
        match event:
            case LiveFact(fact=fact):
                return fact.call_sid == self._call_sid
            case LiveWords(call_sid=sid):
                return sid == self._call_sid
            case _:
                return False

    def is_out_of_sight(self, now: float) -> bool:
        """Whether it should have gone on by now, and did not where anybody looks."""
        return self._awaited_until is not None and now >= self._awaited_until

    def lost(self, place: int, now: float) -> None:
        """Who was there is gone."""
        if place == self._carrier:
            self._awaited_until = now + BACK_WITHIN_S

    def take(self, place: int, event: FeedItem | None, now: float) -> None:
        """Something was told at this place."""
        if not self.is_of_it(event):
            return
        if isinstance(event, LiveWords) or (isinstance(event, LiveFact) and event.fact.source != HTTP):
            self._carrier = place  # Webhooks are answered by anybody.
        if isinstance(event, LiveFact):
            self._told(event.fact, now)

    def _told(self, fact: Fact, now: float) -> None:
        match fact:
            case StreamStarted():
                self._awaited_until = None
            case StreamEnded(reason=reason):
                self._has_caller_left = reason is EndReason.CALLER_HANGUP
                self._awaited_until = now + BACK_WITHIN_S if reason is EndReason.HANDED_OVER else None
            case CallClosed():
                self.is_over = self._has_caller_left
            case CallOver():
                self.is_over = True
            case _:
                pass
