"""Who carries one call that is followed, as far as it is seen; and when nothing more comes of it. Pure.

A call that goes on in another process of the machine is seen there. One that goes on at another machine is
not: while it is awaited its record is asked, which has the process of each stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.facts import HTTP, CallClosed, CallOver, EndReason, StreamEnded, StreamStarted
from callbridge.cli.calls.attaching import BACK_WITHIN_S
from callbridge.observe.feed import LiveFact, LiveWords
from callbridge.state.neighbours import machine_of

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.observe.feed import FeedItem
    from callbridge.records.story import CallStory, StreamPart

AWAITED_S: Final = BACK_WITHIN_S + 10.0
"""By when a call goes on. Who follows a process that is lost gives it up before, and says that it is gone."""

LOOK_S: Final = 1.0
"""So long is waited before the record is asked, and again between two times."""


class Whereabouts:
    """What is known of it. Times are in seconds on any clock that never runs backwards.

    Args:
        call_sid: which.
        carrier: the place at which it is carried; None where that is only seen by what is told there.
    """

    def __init__(self, call_sid: str, carrier: int | None = None) -> None:
        self._call_sid = call_sid
        self._carrier = carrier
        self._processes = set[str]()
        """Those that are followed, or were."""
        self._machines = set[str]()
        """Those of which all that takes calls is followed."""
        self._stream = ""
        """The latest that was seen of it; empty for none."""
        self._has_caller_left = False
        self._awaited_until: float | None = None
        """By when it is to go on somewhere."""
        self._look_at = 0.0
        """When the record may be asked next."""
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

    @property
    def is_awaited(self) -> bool:
        """Whether it is to go on somewhere."""
        return self._awaited_until is not None

    def greeted(self, process: str) -> None:
        """A process of this name is followed."""
        self._processes.add(process)
        self._machines.add(machine_of(process))

    def lost(self, place: int, now: float) -> None:
        """Who was there is gone."""
        if place == self._carrier:
            self._await(now)

    def nobody_is_followed(self) -> None:
        """All have ended: who starts next on such a machine is not followed either."""
        self._machines.clear()

    def asks_record(self, now: float) -> bool:
        """Whether the record is to be asked at this moment; then it is not for a while."""
        if not self.is_awaited or now < self._look_at:
            return False
        self._look_at = now + LOOK_S
        return True

    def on_record(self, story: CallStory) -> StreamPart | None:
        """By its record, the stream in which it goes on where nobody looks; or that it is over."""
        # A process that is lost is no end: the call may be on its way to another one.
        self.is_over = story.state == "ended" and story.end_reason != EndReason.PROCESS_LOST.value
        latest = story.streams[-1] if story.streams else None
        if self.is_over or latest is None or latest.process in self._processes:
            return None
        # A record is some moments behind: what stands last in it may come before what was seen.
        if self._stream and all(part.stream_sid != self._stream for part in story.streams):
            return None
        machine = machine_of(latest.process)
        return latest if machine and machine not in self._machines else None

    def take(self, place: int, event: FeedItem | None, now: float) -> None:
        """Something was told at this place."""
        if not self.is_of_it(event):
            return
        if isinstance(event, LiveWords):
            self._carrier = place
        if isinstance(event, LiveFact):
            if event.fact.source != HTTP:  # Webhooks are answered by anybody.
                self._carrier, self._stream = place, event.fact.source
            self._told(event.fact, now)

    def _told(self, fact: Fact, now: float) -> None:
        match fact:
            case StreamStarted():
                self._awaited_until = None
            case StreamEnded(reason=reason):
                self._has_caller_left = reason is EndReason.CALLER_HANGUP
                self._awaited_until = None
                if reason is EndReason.HANDED_OVER:
                    self._await(now)
            case CallClosed():
                self.is_over = self._has_caller_left
            case CallOver():
                self.is_over = True
            case _:
                pass

    def _await(self, now: float) -> None:
        self._awaited_until = now + AWAITED_S
        self._look_at = now + LOOK_S
