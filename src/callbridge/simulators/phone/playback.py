"""Twilio's play-out buffer: what the bridge sent, when it plays, and what the caller truly heard.

Pure. Positions are continuous: each payload knows the moment at which its first byte plays, so what
was heard at any moment follows to the byte, and a mark comes due at the very moment at which the
byte before it has been played. Times are seconds on the caller's clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from callbridge.wire.audio import BYTES_PER_MS, FRAME_BYTES, milliseconds

BYTES_PER_S = BYTES_PER_MS * 1000

BUFFER_BYTES_MAX = 600 * BYTES_PER_S
"""Twilio holds ten minutes of audio; the excess is dropped with warning 31931."""

INSTANT_S = 1e-7
"""Times nearer than this are the same: far below a byte (125 µs), far above float rounding."""


@dataclass(slots=True)
class Payload:
    """The audio of one `media` message, and what became of it."""

    received_at: float
    audio: bytes
    """What was taken into the buffer."""
    run_started_at: float
    """When the unbroken run of audio that it belongs to began to play."""
    run_offset: int
    """Bytes of that run before this payload. Whole bytes, so that no rounding adds up."""
    dropped_bytes: int = 0
    """Bytes of the message that did not fit into the buffer."""
    cut_bytes: int | None = None
    """Bytes heard before a clear or the end of the stream took the rest; None when never cut."""
    is_clip: bool = False
    """A piece of a sound that the bridge plays of its own, and not the agent."""

    @property
    def plays_from(self) -> float:
        """When its first byte plays, or would have; the moment of the cut when none ever did."""
        return self.run_started_at + self.run_offset / BYTES_PER_S

    @property
    def ends_at(self) -> float:
        """When its last byte plays, or was cut."""
        begun_at = self.run_started_at + self.run_offset / BYTES_PER_S
        return begun_at + (len(self.audio) if self.cut_bytes is None else self.cut_bytes) / BYTES_PER_S

    def heard_bytes(self, at: float) -> int:
        """Bytes that the caller had heard at `at`; exact for any moment up to now."""
        played = _played_bytes(self.run_started_at, at) - self.run_offset
        if played <= 0:
            return 0
        return min(played, len(self.audio) if self.cut_bytes is None else self.cut_bytes)

    def heard_ms(self, at: float) -> int:
        """Whole milliseconds that the caller had heard at `at`."""
        return milliseconds(self.heard_bytes(at))


@dataclass(slots=True)
class Mark:
    """One `mark` message and its echo."""

    name: str
    received_at: float
    due_at: float
    """When the audio before it has been played; the moment of the clear when that came first."""
    echoed_at: float | None = None
    was_cleared: bool = False
    """The echo came from a clear: it proves nothing about what was heard."""


@dataclass(frozen=True, slots=True)
class Clear:
    """One `clear` message."""

    at: float
    discarded_bytes: int
    marks: tuple[str, ...]
    """Outstanding marks, which the clear made come back at once."""


@dataclass(slots=True)
class Playback:
    """The buffer, with a journal of everything that went through it."""

    buffer_bytes_max: int = BUFFER_BYTES_MAX
    clips: tuple[bytes, ...] = ()
    """What the bridge plays of its own, each whole."""
    payloads: list[Payload] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    clears: list[Clear] = field(default_factory=list)
    received_bytes: int = 0
    dropped_bytes: int = 0
    discarded_bytes: int = 0
    """Thrown away by clears, and by the end of the stream."""
    pending_marks: deque[Mark] = field(default_factory=deque)
    """Marks that wait for their echo."""
    _run_started_at: float = 0.0
    """The audio plays in runs; within one, time and bytes are the same thing."""
    _run_bytes: int = 0
    _unheard: int = 0
    """Index of the first payload that was not yet heard to its end."""
    _heard_until: float = 0.0
    """When the payloads before that one had all been heard, or were cut."""

    @property
    def ends_at(self) -> float:
        """When the buffer runs dry, or ran dry."""
        return self._run_started_at + self._run_bytes / BYTES_PER_S

    @property
    def deadline(self) -> float | None:
        """When the next mark must be echoed."""
        return self.pending_marks[0].due_at if self.pending_marks else None

    def is_playing(self, now: float) -> bool:
        """Whether audio is left to be heard."""
        return self.ends_at > now + INSTANT_S

    def pending_bytes(self, now: float) -> int:
        """Bytes in the buffer that were not yet heard."""
        return max(0, self._run_bytes - max(0, _played_bytes(self._run_started_at, now)))

    def heard_bytes(self, now: float) -> int:
        """Bytes that the caller has heard so far."""
        taken = self.received_bytes - self.dropped_bytes - self.discarded_bytes
        return taken - self.pending_bytes(now)

    def add(self, audio: bytes, now: float) -> Payload:
        """Queue audio. It plays at once when the buffer is dry, else right behind what is queued."""
        if not self.is_playing(now):
            self._run_started_at, self._run_bytes = now, 0
        room = max(0, self.buffer_bytes_max - self.pending_bytes(now))
        taken = audio[:room]
        payload = Payload(
            now, taken, self._run_started_at, self._run_bytes, dropped_bytes=len(audio) - len(taken)
        )
        payload.is_clip = any(is_piece(audio, clip) for clip in self.clips)
        self._run_bytes += len(payload.audio)
        self.received_bytes += len(audio)
        self.dropped_bytes += payload.dropped_bytes
        self.payloads.append(payload)
        return payload

    def add_mark(self, name: str, now: float) -> None:
        """Queue a mark behind the audio sent so far; on a dry buffer it is due at once."""
        mark = Mark(name, now, max(now, self.ends_at))
        self.marks.append(mark)
        self.pending_marks.append(mark)

    def due_marks(self, now: float, until: float | None = None) -> list[Mark]:
        """Take the marks that were due by `until` (by default now) to be echoed now, in order."""
        limit = now if until is None else until
        due = []
        while self.pending_marks and self.pending_marks[0].due_at <= limit + INSTANT_S:
            mark = self.pending_marks.popleft()
            mark.echoed_at = now
            due.append(mark)
        return due

    def clear(self, now: float) -> Clear:
        """Empty the buffer; every outstanding mark becomes due at once."""
        for mark in self.pending_marks:
            # A mark whose audio was heard is merely late, not cleared.
            mark.was_cleared = mark.due_at > now + INSTANT_S
            mark.due_at = min(mark.due_at, now)
        clear = Clear(now, self.cut(now), tuple(mark.name for mark in self.pending_marks))
        self.clears.append(clear)
        return clear

    def cut(self, now: float) -> int:
        """Stop playing for good, as a clear or the end of the stream does; returns bytes lost."""
        self._settle(now)
        for payload in self.payloads[self._unheard :]:
            payload.cut_bytes = payload.heard_bytes(now)
            if not payload.cut_bytes:
                payload.run_started_at, payload.run_offset = now, 0
        self._unheard = len(self.payloads)
        self._heard_until = max(self._heard_until, now)
        lost = self.pending_bytes(now)
        self.discarded_bytes += lost
        self._run_started_at, self._run_bytes = now, 0
        return lost

    def heard_between(self, start: float, end: float) -> bytes:
        """The audio heard from `start` to `end`, gaps left out; asked with rising times only."""
        # Nobody speaks for most of a call.
        if self._unheard == len(self.payloads) and self._heard_until <= start:
            return b""
        payloads, index = self.payloads, self._unheard
        while index and payloads[index - 1].ends_at > start:
            index -= 1
        pieces = b""
        while index < len(payloads):
            payload = payloads[index]
            if payload.plays_from >= end:
                break
            heard_bytes = payload.heard_bytes(end)
            pieces += payload.audio[payload.heard_bytes(start) : heard_bytes]
            if heard_bytes == len(payload.audio) and index == self._unheard:
                self._pass_over(payload)
            index += 1
        return pieces

    def is_clip_at(self, at: float) -> bool:
        """Whether what was heard last before `at` was a clip; asked with rising times only."""
        index = min(self._unheard, len(self.payloads) - 1)
        while index >= 0 and (
            self.payloads[index].plays_from >= at or not self.payloads[index].heard_bytes(at)
        ):
            index -= 1
        return index >= 0 and self.payloads[index].is_clip

    def unheard(self, now: float) -> bytes:
        """The audio that is still to be played, in its order."""
        self._settle(now)
        return b"".join(
            payload.audio[payload.heard_bytes(now) :] for payload in self.payloads[self._unheard :]
        )

    def _settle(self, at: float) -> None:
        """Pass over the payloads that were heard to their end; each is looked at once."""
        while self._unheard < len(self.payloads):
            payload = self.payloads[self._unheard]
            if payload.heard_bytes(at) < len(payload.audio):
                return
            self._pass_over(payload)

    def _pass_over(self, payload: Payload) -> None:
        self._unheard += 1
        self._heard_until = payload.ends_at


def is_piece(audio: bytes, clip: bytes) -> bool:
    """Whether `audio` is the clip, or frames of it: a bridge that paces a clip sends it in such pieces."""
    at = clip.find(audio) if audio else -1
    while at >= 0:
        is_whole = len(audio) % FRAME_BYTES == 0 or at + len(audio) == len(clip)
        if at % FRAME_BYTES == 0 and is_whole:
            return True
        at = clip.find(audio, at + 1)
    return False


def _played_bytes(run_started_at: float, at: float) -> int:
    return int((at - run_started_at + INSTANT_S) * BYTES_PER_S)
