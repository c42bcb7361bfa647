"""What is kept of a leg: what was carried out, heard, entered and minded on it, and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.simulators.phone import events
from callbridge.simulators.phone.carrier_codes import Complaint
from callbridge.simulators.phone.line_clock import LineClock
from callbridge.simulators.phone.silence import Sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from callbridge.simulators.phone.steps import ExecutedVerb
    from callbridge.simulators.phone.stream import PhoneStream


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that was heard on a leg, by the clock of its line."""

    what: str
    """A verb as `<Say>`, `talk`, or `conference`."""
    text: str
    """What was said, the address of what was played, or who was there."""
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Recording:
    """What a `<Record>` has kept."""

    sid: str
    seconds: int
    ended_at: datetime


class LegRecord:
    """The record of one leg: what was heard by the clock of its line, complaints by the event loop's.

    Args:
        on_event: told what happens while it happens.
    """

    def __init__(self, on_event: Callable[[events.PhoneEvent], None] | None = None) -> None:
        self.executed: list[ExecutedVerb] = []
        self.documents: list[str] = []
        """The TwiML that was received."""
        self.streams: list[PhoneStream] = []
        self.heard: list[Heard] = []
        self.answered_by: str | None = None
        """What machine detection has found, where it was asked for."""
        self.keys_heard = ""
        """`SendDigits`: the tones that were played after the answer."""
        self.complaints: list[Complaint] = []
        self.recordings: list[Recording] = []
        """What `<Record>` has kept."""
        self.on_complaint: Callable[[Complaint], None] = lambda _: None
        """Told of what Twilio minds: at once on the leg, and of a stream when that is over."""
        self.clock = LineClock()
        self.sounds: list[Sound] = []
        """What was heard outside of streams, for the report."""
        self.turns: list[Sound] = []
        """When somebody was asked to enter something."""
        self._on_event = on_event

    @property
    def streams_s(self) -> list[float]:
        """How long each of its streams was open, of those that are over."""
        return [
            stream.end.at - stream.opened_at
            for stream in self.streams
            if stream.end is not None and stream.opened_at is not None
        ]

    def hear(self, what: str, text: str, start: float, *, source: str = "") -> None:
        """Something was heard, from `start` on the line's clock until now; `source` is the report's word."""
        until = self.on_line()
        self.heard.append(Heard(what, text, start, until))
        self.sounds.append(Sound(start, until, source or what))

    def on_line(self) -> float:
        """Now, by the clock of the line."""
        return self.clock.on_line(now())

    def complain(self, code: int, detail: str) -> None:
        """Twilio minds something."""
        complaint = Complaint(code, detail, now())
        self.complaints.append(complaint)
        self.notify(events.Complained(complaint.at, code, detail))
        self.on_complaint(complaint)

    def notify(self, event: events.PhoneEvent) -> None:
        """Tell whoever watches the call."""
        if self._on_event is not None:
            self._on_event(event)


def now() -> float:
    """The clock of the event loop."""
    return asyncio.get_running_loop().time()
