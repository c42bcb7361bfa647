"""Where in a recording which sound stands: the caller by Twilio's clock, the agent by when it was heard.

Pure. The caller's frames say at which moment of the line they were spoken, so a stall of the network moves
nothing, and what was lost is silence. The agent's audio is placed as the phone played it: by when it was
sent, by the round trip, and by what echoes prove of a phone that was late. Only what is certain is handed
over; it never changes afterwards.

Positions are samples of one side, 8 for a millisecond, from where the recording began.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call.ear.tape import Cut, Echoed, End, Pause, Played
from callbridge.wire.audio import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, SILENCE
from callbridge.wire.errors import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.call.ear.tape import Entry

PER_S: Final = 1000 * BYTES_PER_MS

HINDSIGHT_S: Final = 0.5
"""An echo that is late may be late itself. One that comes on time within this proves that it was."""

LATE_S: Final = 0.03
"""Less than this is the jitter of a network, and nothing to wait for."""

FIRST_ECHOES: Final = 2
"""So many tell the round trip well enough to place the first sound; or one, after `FIRST_ECHOES_S`."""
FIRST_ECHOES_S: Final = 0.5

PATIENCE_S: Final = 4.0
"""A line that is silent for longer holds the other side back no more."""

AHEAD_S: Final = 1.0
"""A clock of the line that runs away further than this from ours is not believed."""

CLOCK_WINDOW_S: Final = 15.0
"""The two clocks drift apart, by milliseconds in a minute: what is older than two of these is forgotten."""


class _Chunk(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    timestamp: str = ""


class _Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of the phone; of most there is nothing to be heard."""

    media: _Chunk | None = None


_one: Final = msgspec.json.Decoder(_Message).decode
_many: Final = msgspec.json.Decoder(list[_Message]).decode


def _read(messages: list[str | bytes]) -> list[_Message]:
    """All at once, which costs half as much as one by one; singly when one of them cannot be read."""
    try:
        texts = [text.encode() if type(text) is str else text for text in messages]
        return _many(b"[%b]" % b",".join(texts))  # type: ignore[arg-type]  # They are bytes by now.
    except UNREADABLE:
        return [_read_one(text) for text in messages]


def _read_one(text: str | bytes) -> _Message:
    try:
        return _one(text)
    except UNREADABLE:
        return _Message()


@dataclass(slots=True)
class _Run:
    """A stretch of the agent's audio that plays without a gap."""

    began_at: float
    begin: int
    """Where in the run the audio begins that is known."""
    audio: bytearray = field(default_factory=bytearray)
    placed: int = 0
    """Bytes of the run that have their place."""
    at: int | None = None
    """Where the run itself would begin; known once something of it is placed."""
    late_s: float = 0.0
    echoes: deque[tuple[float, int]] = field(default_factory=deque)
    """Those behind what is placed: when each left the phone, a round trip included, and what it proves."""
    heard: int | None = None
    """Where it was cut; None as long as it plays, or when it was heard to its end."""
    is_over: bool = False

    @property
    def end(self) -> int:
        size = self.begin + len(self.audio)
        return size if self.heard is None else min(size, self.heard)


class _Clock:
    """Our time against the line's: the least difference that was seen is that of a frame without delay."""

    def __init__(self) -> None:
        self._since = -math.inf
        self._now = self._before = math.inf

    def saw(self, at: float, line_s: float) -> None:
        """By `at` the line had told of its moment `line_s`."""
        if at - self._since > CLOCK_WINDOW_S:
            self._since, self._before, self._now = at, self._now, math.inf
        self._now = min(self._now, at - line_s)

    @property
    def offset_s(self) -> float:
        return min(self._now, self._before)


class Placing:
    """The two sides of one recording.

    Args:
        began_at: when it begins, in monotonic seconds.
    """

    def __init__(self, began_at: float) -> None:
        self._began_at = began_at
        self.written = 0
        """What was handed over of each side."""
        self._caller, self._agent = bytearray(), bytearray()
        """What is placed and not handed over; both begin at `written`."""
        self._clock, self._line_ms, self._told_ms = _Clock(), 0.0, -1
        self._base: int | None = None
        """The place of the line's moment 0."""
        self._heard_at = began_at
        """When a frame came last."""
        self._runs: dict[int, _Run] = {}
        self._round_trip_s = math.inf
        self._echoes_seen, self._first_echo_at = 0, math.inf
        self._pauses: list[list[float]] = []
        """From when to when, in our time."""
        self._is_paused = False
        self._ended: End | None = None

    # --- What happens ---

    def take(self, entries: Sequence[Entry], now: float) -> None:
        """Takes what has happened until `now`, in its order."""
        messages = _read([entry for entry in entries if isinstance(entry, (bytes, str))])
        begin = end = 0
        for entry in entries:
            if isinstance(entry, (bytes, str)):  # Of 60 entries 50 are.
                end += 1
            else:
                if begin < end:
                    self._frames(messages[begin:end], entry.at)
                    begin = end
                self._event(entry)
        if begin < end:
            self._frames(messages[begin:], now)

    def _event(self, entry: Played | Echoed | Cut | Pause | End) -> None:
        if isinstance(entry, Played):
            (self._runs.get(entry.run) or self._begin_run(entry)).audio += entry.audio
            return
        match entry:
            case Echoed(at, number, position, due_at):
                # By the line's clock: the frame before it tells when it left, however late both have come.
                at = min(at, self._clock.offset_s + (self._line_ms + FRAME_MS) / 1000)
                self._round_trip_s = min(self._round_trip_s, at - due_at)
                self._echoes_seen, self._first_echo_at = self._echoes_seen + 1, min(self._first_echo_at, at)
                if number in self._runs:
                    self._runs[number].echoes.append((at, position))
            case Cut(_, number, heard_bytes):
                if (run := self._runs.get(number)) is not None:
                    run.heard, run.is_over = heard_bytes, True
            case Pause(at, is_over):
                self._is_paused = not is_over
                if not is_over:
                    self._pauses.append([at, math.inf])
                elif self._pauses:
                    self._pauses[-1][1] = at
            case End():
                self._ended = entry

    def _begin_run(self, played: Played) -> _Run:
        for run in self._runs.values():
            run.is_over = True
        begun = self._runs[played.run] = _Run(played.run_began_at, played.begin, placed=played.begin)
        return begun

    # --- The caller ---

    def _frames(self, messages: list[_Message], at: float) -> None:
        chunks = [chunk for message in messages if (chunk := message.media) is not None]
        if not self._are_in_a_row(chunks, at):
            self._one_by_one(chunks, len(messages), at)
        if self._base is not None:
            self._heard_at = at
            self._clock.saw(at, self._line_ms / 1000)

    def _are_in_a_row(self, chunks: list[_Chunk], at: float) -> bool:
        """Takes frames at once that follow each other as nearly all do. Answers whether they did."""
        count = len(chunks)
        if not count or self._base is None or self._is_paused:
            return False
        told = chunks[-1].timestamp
        if not told.isdigit() or len(told) >= 12 or int(told) - self._told_ms != count * FRAME_MS:
            return False
        audio = b"".join([chunk.payload for chunk in chunks])
        line_ms = self._line_ms + count * FRAME_MS
        if len(audio) != count * FRAME_BYTES or line_ms / 1000 + self._clock.offset_s - at > AHEAD_S:
            return False
        self._told_ms, self._line_ms = int(told), line_ms
        self._lay(self._caller, self._base + round(line_ms * BYTES_PER_MS) - len(audio), audio)
        return True

    def _one_by_one(self, chunks: list[_Chunk], count: int, at: float) -> None:
        for chunk in chunks:
            length_ms = len(chunk.payload) / BYTES_PER_MS
            self._line_ms = self._moment(chunk.timestamp, length_ms, at)
            if self._base is None:
                # Nobody knows yet how late the first frame was; the least of what comes next tells it.
                begun_ms = (at - self._began_at) * 1000 - length_ms * (count - 1)
                self._base = round(max(begun_ms, length_ms) * BYTES_PER_MS - self._line_ms * BYTES_PER_MS)
            end = self._base + round(self._line_ms * BYTES_PER_MS)
            audio = bytes((SILENCE,)) * len(chunk.payload) if self._is_paused else chunk.payload
            self._lay(self._caller, end - len(audio), audio)

    def _moment(self, told: str, length_ms: float, at: float) -> float:
        """When the frame was spoken, on the line's clock, which only goes on."""
        told_ms = int(told) if told.isdigit() and len(told) < 12 else -1
        if self._base is None:
            self._told_ms = told_ms
            return float(max(told_ms, 0))
        step_ms = float(told_ms - self._told_ms) if told_ms > self._told_ms >= 0 else length_ms
        self._told_ms = max(told_ms, self._told_ms)
        ahead_s = (self._line_ms + step_ms) / 1000 + self._clock.offset_s - at
        return self._line_ms + (step_ms if ahead_s < AHEAD_S else length_ms)

    def _place_of(self, at: float) -> int:
        """Where stands what was spoken when a frame that came now was."""
        if self._base is None:
            return round((at - self._began_at) * PER_S)
        return self._base + round((at - self._clock.offset_s) * PER_S)

    # --- The agent ---

    def _place_runs(self, now: float) -> None:
        for number, run in tuple(self._runs.items()):
            self._place_run(run, now)
            if run.placed < run.end or not run.is_over:
                break  # What comes behind it is not placed before it.
            del self._runs[number]

    def _place_run(self, run: _Run, now: float) -> None:
        is_final = self._ended is not None
        while run.echoes and run.placed < run.end:
            if not is_final and not self._knows_round_trip(now):
                return
            at, position = run.echoes[0]
            late_s = self._late_by(run)
            if late_s - run.late_s > LATE_S and now - at < HINDSIGHT_S and not is_final:
                return
            run.echoes.popleft()
            self._put(run, min(position, run.end), late_s)
        if run.placed >= run.end:
            return
        # No echo comes of what was cut, and of some phones none at all.
        waited_s = now - (run.began_at + run.late_s + self._trip_s + run.end / PER_S)
        is_cut = run.heard is not None and (self._echoes_seen > 0 or waited_s > FIRST_ECHOES_S)
        if is_final or is_cut or waited_s > PATIENCE_S:
            self._put(run, run.end, run.late_s)

    def _knows_round_trip(self, now: float) -> bool:
        return self._echoes_seen >= FIRST_ECHOES or now - self._first_echo_at > FIRST_ECHOES_S

    @property
    def _trip_s(self) -> float:
        return 0.0 if math.isinf(self._round_trip_s) else self._round_trip_s

    def _late_by(self, run: _Run) -> float:
        """How late the phone was with the next that has its echo. Once late, it stays so in a run."""
        first_s = self._lateness_s(run, *run.echoes[0])
        if run.at is not None and first_s - run.late_s <= LATE_S:
            return run.late_s
        return max(run.late_s, min(self._lateness_s(run, *echo) for echo in run.echoes))

    def _lateness_s(self, run: _Run, at: float, position: int) -> float:
        """How late the phone was with so much of a run, at the most."""
        return at - run.began_at - position / PER_S - self._trip_s

    def _put(self, run: _Run, until: int, late_s: float) -> None:
        if until <= run.placed:
            return
        if run.at is None:
            run.at = self._place_of(run.began_at + late_s + self._trip_s)
        elif late_s - run.late_s > LATE_S:
            run.at += round((late_s - run.late_s) * PER_S)
        run.late_s = max(late_s, run.late_s)
        at = max(run.at + run.placed, self.written + len(self._agent))
        run.at = at - run.placed
        audio = run.audio[run.placed - run.begin : until - run.begin]
        self._lay(self._agent, at, bytes(audio))
        run.placed = until

    # --- Handing over ---

    def certain(self, now: float) -> bytes:
        """What is certain by now and was not handed over yet: both sides, sample by sample.

        After `End` that is all.
        """
        if self._ended is not None:
            self._cut_at_end(self._ended)
        self._place_runs(now)
        until = self._certain_until(now)
        if until <= self.written:
            return b""
        count = until - self.written
        both = bytearray(2 * count)
        both[0::2], both[1::2] = _first(self._caller, count), _first(self._agent, count)
        self._silence(both)
        self.written = until
        return bytes(both)

    def _cut_at_end(self, end: End) -> None:
        """What was not heard by the end is lost."""
        at = end.at - (self._trip_s if end.is_by_phone else 0.0)
        for run in self._runs.values():
            heard = round((at - run.began_at - run.late_s) * PER_S)
            proven = max((position for _, position in run.echoes), default=run.placed)
            if run.heard is None:
                run.heard = max(heard, proven, run.begin)
            run.is_over = True

    def _certain_until(self, now: float) -> int:
        caller = self.written + len(self._caller)
        if self._ended is not None:
            return max(caller, self.written + len(self._agent))
        if now - self._heard_at > PATIENCE_S:
            caller = max(caller, self._place_of(now - PATIENCE_S))
        return min(caller, self._agent_certain_until(now))

    def _agent_certain_until(self, now: float) -> int:
        for run in self._runs.values():
            if run.placed < run.end:
                if run.at is not None:
                    return run.at + run.placed
                return self._place_of(run.began_at + run.placed / PER_S)
        return self._place_of(now)

    def _silence(self, both: bytearray) -> None:
        """Takes out what was said in a pause; by time, beside what was left out when it came."""
        begin, end = self.written, self.written + len(both) // 2
        for pause in self._pauses:
            low = max(self._place_of(pause[0]), begin)
            high = end if math.isinf(pause[1]) else min(self._place_of(pause[1]), end)
            if low < high:
                both[2 * (low - begin) : 2 * (high - begin)] = bytes((SILENCE,)) * (2 * (high - low))

    def _lay(self, side: bytearray, at: int, audio: bytes) -> None:
        """Puts audio where it belongs; what would lie in what is handed over already is left out."""
        at -= self.written
        if at < 0:
            audio, at = audio[-at:], 0
        if at > len(side):
            side += bytes((SILENCE,)) * (at - len(side))
        side[at : at + len(audio)] = audio


def _first(side: bytearray, count: int) -> bytes:
    """Takes so many samples off, silence where there are none."""
    taken = bytes(side[:count])
    del side[:count]
    return taken.ljust(count, bytes((SILENCE,)))
