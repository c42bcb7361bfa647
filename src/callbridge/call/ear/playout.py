"""The ledger of agent audio: what the phone was sent, what it confirmed, and what the caller has heard.

The relay writes into it and the machine reads it. No decision is taken here.

The ledger keeps its own model of the phone's play-out, in *sending time*. Audio sent at t begins to play
when it arrives, and a `clear` sent later takes effect when that arrives: the two network delays cancel.
So a queue that plays 8 bytes per ms from the moment of sending, or from the end of what is queued, is
exact without knowing the delay. A mark's echo comes back one round trip after its place in that model.
The smallest surplus ever seen is the round trip; what exceeds it means that the phone started late or
ran dry, and moves the model.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from callbridge.call.ear.tape import Cut, Echoed, Played
from callbridge.call.limits import Limits
from callbridge.wire.audio import BYTES_PER_MS, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_BYTES_PER_S = BYTES_PER_MS * 1000
_WITHHELD_ITEMS_MAX = 32
"""Far above what one response has. Beyond it the oldest is forgotten: a peer can make names up."""

_Times: TypeAlias = tuple[float, float | None, float | None]
"""When the first of an item was sent; when the caller began to hear it, and what they last heard."""

_LATENESS_SAMPLES = 3
"""Echoes that are looked at together: the least late of three is not fooled by one delayed echo."""

OURS: Final = "callbridge_"
"""So begins what stands in the place of an item for audio that is not the model's."""
CLIP: Final = f"{OURS}clip"
KEYS: Final = f"{OURS}keys"
"""Each time that keys are pressed has a name that begins so. They are not cut by whoever speaks."""


@dataclass(frozen=True, slots=True)
class CutItem:
    """One item at the moment of a cut."""

    item_id: str
    sent_ms: int
    heard_ms: int
    is_heard: bool = False
    """It was begun, and what is left of it is a tail that counts as heard (`Limits.heard_tail_ms`)."""
    content_index: int = 0
    """Which part of the item its audio is."""
    sent_from: float | None = None
    """When the first of it was sent."""
    heard_from: float | None = None
    """When the caller began to hear it, as an echo tells it; None for one of which they heard nothing."""
    heard_until: float | None = None
    is_news: bool = False
    """It is heard, and that was not told yet."""


@dataclass(slots=True)
class _Part:
    """A stretch of the current run that belongs to one item."""

    item_id: str
    begin: int
    """First byte, counted from the start of the run."""
    size: int
    item_begin: int
    """First byte, counted from the start of the item."""
    sent_from: float
    """When the first of it was sent."""
    heard_from: float | None = None
    """When the caller began to hear it: the first echo behind it tells that."""


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str
    run: int
    position: int
    """Bytes of the run before the mark."""
    due_at: float
    """When the model of the play-out reaches the mark, lateness aside: not before it was sent."""
    is_late: bool
    """It was sent after that: the phone may have waited for it, and not it for the phone."""


@dataclass(slots=True)
class Playout:
    """The ledger of agent audio. A *run* is audio that plays without a gap."""

    limits: Limits = field(default_factory=Limits)
    epoch: int = 0
    """Counts clears. Part of every mark's name, so that an echo caused by a clear is known."""
    began_at: float | None = None
    """When the first audio of the call was sent."""
    first_sent_at: float | None = None
    """When the first audio since the machine last reset this was sent."""
    _run: int = 0
    _run_began_at: float = 0.0
    _quiet_before: float = float("-inf")
    """Since when the caller hears nothing, as long as nothing was sent in this run."""
    _sounded_before: float | None = None
    """When the last run began of which anything was heard, before this one."""
    _run_bytes: int = 0
    _proven_bytes: int = 0
    """Bytes of the run that echoes prove as played."""
    _parts: list[_Part] = field(default_factory=list)
    _last: _Part | None = None
    """The last of them: it is what every frame adds to."""
    _sent_before: dict[str, int] = field(default_factory=dict)
    """Bytes sent in earlier runs of each item of the response in progress."""
    _times_before: dict[str, _Times] = field(default_factory=dict)
    """When such an item was sent and heard in earlier runs."""
    _played: dict[str, CutItem] = field(default_factory=dict)
    """Items that were heard in earlier runs, until that is told."""
    _told: set[str] = field(default_factory=set)
    """Items of this run of which it is told."""
    _begun_parts: int = 0
    """So many parts of the run have begun to be heard, as echoes tell."""
    _agent_until_before: float = float("-inf")
    """`agent_until` as it was before this run."""
    content_indexes: dict[str, int] = field(default_factory=dict)
    """Which part of an item is its audio, where that is not the first (0)."""
    _withheld_bytes: dict[str, int] = field(default_factory=dict)
    """Bytes of muted items that never went to the phone."""

    on_cut: Callable[[Cut], None] | None = None
    """Is told of each cut. For a recording."""
    cut_keys: list[CutItem] = field(default_factory=list)
    """Keys that a clear took from the phone, until it is taken up."""

    _marks: deque[_Mark] = field(default_factory=deque)
    _mark_count: int = 0
    _unmarked_bytes: int = 0

    _round_trip_s: float | None = None
    _surpluses_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENESS_SAMPLES))
    _lateness_min_s: float = 0.0
    """The run cannot have begun before the echo of the run before it."""

    # Written by the relay.

    def sent(self, item_id: str, byte_count: int, now: float) -> str | None:
        """Notes audio of `item_id` sent to the phone; answers the name of a mark when one is due."""
        # Most deltas come while earlier audio still plays: then the run goes on, and no lateness can end it.
        if now > self._run_began_at + self._run_bytes / _BYTES_PER_S and now > self._ends_at(now):
            self._run_is_played(now)
        if self.first_sent_at is None:
            self.first_sent_at = now
            if self.began_at is None:
                self.began_at = now
        self._queue(item_id, byte_count, now)
        if self._unmarked_bytes < self.limits.mark_every_ms * BYTES_PER_MS:
            return None
        return self.mark(now)

    def clip_sent(self, byte_count: int, now: float, name: str = CLIP) -> None:
        """Notes a clip or keys sent to the phone: audio that the model knows nothing of."""
        if now > self._ends_at(now):
            self._run_is_played(now)
        self._queue(name, byte_count, now)

    def _queue(self, item_id: str, byte_count: int, now: float) -> None:
        part = self._last
        if part is None or part.item_id != item_id:
            part = self._begin_part(item_id, now)
        part.size += byte_count
        self._run_bytes += byte_count
        self._unmarked_bytes += byte_count

    def _begin_part(self, item_id: str, now: float) -> _Part:
        part = self._last = _Part(item_id, self._run_bytes, 0, self._bytes_sent(item_id), now)
        self._parts.append(part)
        return part

    def withheld(self, item_id: str, byte_count: int) -> None:
        """Notes audio of a muted item that was kept from the phone."""
        noted = self._withheld_bytes
        if item_id not in noted and len(noted) >= _WITHHELD_ITEMS_MAX:
            del noted[next(iter(noted))]
        noted[item_id] = noted.get(item_id, 0) + byte_count

    def is_part(self, item_id: str, content_index: int) -> None:
        """Notes which part of an item its audio is, where that is not the first."""
        self.content_indexes[item_id] = content_index

    # Told by the machine.

    def mark(self, now: float) -> str | None:
        """The name of a mark to send now, or nothing when all audio is marked already."""
        if not self._unmarked_bytes or len(self._marks) >= self.limits.marks_outstanding_max:
            return None
        self._unmarked_bytes = 0
        self._mark_count += 1
        name = f"{self.epoch}-{self._mark_count}"
        due_at = self._run_began_at + self._run_bytes / _BYTES_PER_S
        self._marks.append(_Mark(name, self._run, self._run_bytes, max(due_at, now), now > due_at))
        return name

    def echoed(self, name: str, now: float) -> bool:
        """Takes a mark's echo. False when it proves nothing: the mark was cleared, or is not ours."""
        marks = self._marks
        # The oldest comes first, but for a phone that skips some.
        if not marks or (marks[0].name != name and all(mark.name != name for mark in marks)):
            return False
        mark = marks.popleft()
        while mark.name != name:  # An echo also stands for those before it.
            mark = marks.popleft()
        surplus_s = now - mark.due_at
        if self._round_trip_s is None or surplus_s < self._round_trip_s:
            self._round_trip_s = surplus_s
        if mark.run == self._run:
            self._proven_bytes = max(self._proven_bytes, mark.position)
            if not mark.is_late:
                self._surpluses_s.append(surplus_s)
            if self._begun_parts < len(self._parts):  # Rare: once for each item.
                self._begin_hearing(mark.position, surplus_s)
        else:
            played_at = now - self._round_trip_s
            self._lateness_min_s = max(self._lateness_min_s, played_at - self._run_began_at)
        return True

    def _begin_hearing(self, position: int, surplus_s: float) -> None:
        for part in self._parts[self._begun_parts :]:
            if part.begin >= position:
                break
            part.heard_from = self._run_began_at + part.begin / _BYTES_PER_S + surplus_s
            self._begun_parts += 1

    def echoed_on_the_way(self, name: str, now: float) -> bool:
        """`echoed`, unless this proves that all was heard. Answers whether it was taken."""
        is_last = bool(self._marks) and self._marks[-1].name == name and not self._unmarked_bytes
        return not is_last and self.echoed(name, now)

    def cut(self, now: float, tail_ms: int) -> tuple[int, tuple[CutItem, ...]]:
        """Freezes the heard position, forgets what was queued and opens a new epoch.

        Answers how many milliseconds were unheard, and the items that the run touches, in order, each with
        what was sent and heard of it. Cuts nothing and answers 0 when no more than `tail_ms` is unheard (that
        counts as heard), or nothing but keys. To be called before `clear` is sent, because a clear makes the
        phone echo marks that were never played.
        """
        position = self._position(now)
        unheard_ms = -(-(self._run_bytes - position) // BYTES_PER_MS)
        is_done = unheard_ms <= tail_ms
        if self._last is not None and self._last.item_id.startswith(KEYS):
            is_done |= all(
                part.item_id.startswith(KEYS) for part in self._parts if part.begin + part.size > position
            )
        # What is played now could be known from an echo after one round trip.
        late_s = self._lateness_s(now) + (self._round_trip_s or 0.0)
        heard: dict[str, int] = {}
        sent: dict[str, int] = {}
        times: dict[str, _Times] = {}
        for part in self._parts:
            item_id, played = part.item_id, min(max(position - part.begin, 0), part.size)
            heard[item_id] = heard.get(item_id, part.item_begin) + played
            sent[item_id] = part.item_begin + part.size
            before: _Times = self._times_before.get(item_id, (part.sent_from, None, None))
            sent_from, heard_from, heard_until = times.get(item_id, before)
            if played:
                begun_at = self._run_began_at + part.begin / _BYTES_PER_S + late_s
                heard_until = begun_at + played / _BYTES_PER_S
                if heard_from is None:
                    heard_from = begun_at if part.heard_from is None else part.heard_from
            times[item_id] = sent_from, heard_from, heard_until
        cuts = []
        for item_id, heard_bytes in heard.items():
            sent_ms, heard_ms = milliseconds(sent[item_id]), milliseconds(heard_bytes)
            is_heard = is_done or (heard_ms > 0 and sent_ms - heard_ms <= tail_ms)
            index = self.content_indexes.get(item_id, 0)
            is_news = is_heard and item_id not in self._told and not item_id.startswith(OURS)
            cuts.append(CutItem(item_id, sent_ms, heard_ms, is_heard, index, *times[item_id], is_news))
        cuts[:0] = [item for item in self._played.values() if item.item_id not in heard]
        if is_done:
            return 0, tuple(cuts)
        self._played.clear()
        self.cut_keys += [cut for cut in cuts if cut.item_id.startswith(KEYS)]
        if self.on_cut is not None:
            self.on_cut(Cut(now, self._run, position))
        self.epoch += 1
        self._marks.clear()
        self._unmarked_bytes = 0
        # A run of which nothing was heard has not broken the silence before it.
        self._begin_run(now, quiet_since=now if position else self._quiet_before)
        return unheard_ms, tuple(cuts)

    def heard_items(self, now: float, unfinished: Collection[str]) -> list[CutItem]:
        """Items that are heard to their end, as echoes prove, each once: what was sent and heard of them.

        `unfinished`: items of which more is to come; what was sent of them is not all.
        """
        if not self.is_drained:
            return []
        news = (item for item in self.cut(now, 0)[1] if item.is_news)
        heard = [item for item in news if item.item_id not in unfinished]
        self._told |= {item.item_id for item in heard}
        self._played = {item_id: item for item_id, item in self._played.items() if item_id in unfinished}
        return heard

    def take_cut_keys(self) -> list[CutItem]:
        """Hands over, and forgets, the keys that were cut, in order."""
        cut, self.cut_keys = self.cut_keys, []
        return cut

    # Asked by who records.

    def played(self, audio: bytes, now: float) -> Played:
        """Where the audio stands that was just sent."""
        return Played(now, self._run, self._run_began_at, self._run_bytes - len(audio), audio)

    def proven(self, name: str, now: float) -> Echoed | None:
        """What the echo of a mark proves that has come now; nothing when it was cleared."""
        for mark in self._marks:
            if mark.name == name:
                return Echoed(now, mark.run, mark.position, mark.due_at)
        return None

    def begin_response(self) -> None:
        """Forgets the items of earlier responses, but for those still in play."""
        in_play = {part.item_id for part in self._parts}
        self._sent_before = {item: size for item, size in self._sent_before.items() if item in in_play}
        self._times_before = {item: at for item, at in self._times_before.items() if item in in_play}
        self.content_indexes = {item: at for item, at in self.content_indexes.items() if item in in_play}

    def forget_withheld(self) -> dict[str, int]:
        """Hands over, and forgets, how many bytes of which items were withheld."""
        withheld, self._withheld_bytes = self._withheld_bytes, {}
        return withheld

    # Asked by the machine.

    def sent_ms(self, item_id: str) -> int:
        """Milliseconds sent of an item of the response in progress, or of one still in play."""
        return milliseconds(self._bytes_sent(item_id))

    def heard_ms(self, item_id: str, now: float) -> int:
        """Milliseconds heard of such an item."""
        position = self._position(now)
        unheard = sum(
            part.size - min(max(position - part.begin, 0), part.size)
            for part in self._parts
            if part.item_id == item_id
        )
        return milliseconds(self._bytes_sent(item_id) - unheard)

    def sent_and_heard_ms(self, item_ids: Iterable[str], now: float) -> tuple[int, int]:
        """Both of several such items together."""
        pairs = [(self.sent_ms(item_id), self.heard_ms(item_id, now)) for item_id in item_ids]
        return sum(sent for sent, _ in pairs), sum(heard for _, heard in pairs)

    def has_sent(self, item_id: str) -> bool:
        """Whether anything was sent of such an item."""
        return item_id in self._sent_before or any(part.item_id == item_id for part in self._parts)

    def _bytes_sent(self, item_id: str) -> int:
        for part in reversed(self._parts):
            if part.item_id == item_id:
                return part.item_begin + part.size
        return self._sent_before.get(item_id, 0)

    @property
    def agent_until(self) -> float:
        """When the agent's audio sent so far is played, lateness aside; clips and keys do not count."""
        for part in reversed(self._parts):
            if not part.item_id.startswith(OURS):
                return self._run_began_at + (part.begin + part.size) / _BYTES_PER_S
        return self._agent_until_before

    def heard_by(self, item_ids: Collection[str]) -> float:
        """When the caller has heard, or will have heard, all that was sent so far of some items.

        By echoes that came, as `quiet_at`. What is not in play any more was heard before this run began.
        """
        for part in reversed(self._parts):
            if part.item_id in item_ids:
                end = self._run_began_at + (part.begin + part.size) / _BYTES_PER_S
                return end + self._proven_lateness_s
        return self._run_began_at

    def unheard_ms(self, now: float) -> int:
        """Milliseconds sent to the phone that the caller has not heard yet."""
        return -(-(self._run_bytes - self._position(now)) // BYTES_PER_MS)

    @property
    def quiet_at(self) -> float:
        """When the caller has heard, or will have heard, all that was sent.

        By echoes that came. One that is overdue proves nothing here: a phone that sends none at all would
        put the end off for ever, and with it whatever waits for silence.
        """
        if not self._run_bytes:
            return self._quiet_before
        return self._run_began_at + self._run_bytes / _BYTES_PER_S + self._proven_lateness_s

    @property
    def sounds_since(self) -> float | None:
        """When the audio began that the caller hears, or heard last. None: so far they have heard none."""
        return self._run_began_at if self._run_bytes else self._sounded_before

    @property
    def is_drained(self) -> bool:
        """Whether echoes prove that everything was played: what a clock believes is not enough here."""
        return not self._marks and not self._unmarked_bytes

    # The model of the phone's play-out.

    def _lateness_s(self, now: float) -> float:
        """How far the phone is behind the model."""
        lateness_s = self._proven_lateness_s
        if self._marks and self._round_trip_s is not None:
            # A mark that should have been echoed by now was not: the phone is at least so far behind.
            due_at = max(self._marks[0].due_at, self._run_began_at)
            lateness_s = max(lateness_s, now - self._round_trip_s - due_at)
        return lateness_s

    @property
    def _proven_lateness_s(self) -> float:
        if self._round_trip_s is None:
            return 0.0
        if not self._surpluses_s:
            return self._lateness_min_s
        return max(self._lateness_min_s, min(self._surpluses_s) - self._round_trip_s)

    def _position(self, now: float) -> int:
        """Bytes of the run heard: never more than sent, never less than echoes prove."""
        played = int((now - self._lateness_s(now) - self._run_began_at) * _BYTES_PER_S)
        return min(max(played, self._proven_bytes), self._run_bytes)

    def _ends_at(self, now: float) -> float:
        return self._run_began_at + self._run_bytes / _BYTES_PER_S + self._lateness_s(now)

    def _run_is_played(self, now: float) -> None:
        """The run was heard to its end, and another one begins."""
        item_ids = dict.fromkeys(part.item_id for part in self._parts)
        untold = [item for item in item_ids if item not in self._told and not item.startswith(OURS)]
        self._begin_run(now, quiet_since=self.quiet_at)
        for item_id in untold:
            sent_ms = milliseconds(self._sent_before[item_id])
            index, times = self.content_indexes.get(item_id, 0), self._times_before[item_id]
            self._played[item_id] = CutItem(item_id, sent_ms, sent_ms, True, index, *times, is_news=True)

    def _begin_run(self, now: float, quiet_since: float) -> None:
        if quiet_since != self._quiet_before:  # Something was heard of the run that ends.
            self._quiet_before, self._sounded_before = quiet_since, self._run_began_at
        for part in self._parts:
            self._sent_before[part.item_id] = part.item_begin + part.size
            heard_from = part.heard_from
            if heard_from is None:
                heard_from = self._run_began_at + part.begin / _BYTES_PER_S + (self._round_trip_s or 0.0)
            first: _Times = self._times_before.get(part.item_id, (part.sent_from, heard_from, None))
            self._times_before[part.item_id] = *first[:2], heard_from + part.size / _BYTES_PER_S
            if not part.item_id.startswith(OURS):
                self._agent_until_before = self._run_began_at + (part.begin + part.size) / _BYTES_PER_S
        self._parts, self._last, self._begun_parts = [], None, 0
        self._told.clear()
        self._run += 1
        self._run_began_at = now
        self._run_bytes = self._proven_bytes = 0
        self._surpluses_s.clear()
        self._lateness_min_s = 0.0
