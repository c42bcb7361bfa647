"""What can be told to a state, and how things that are not written yet are read.

Pure: values in, values out. Each `with_…` takes what is stored and what waits, in order, and answers what
would be stored if all of it were written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from callbridge.state.callers import GOING_ON_BYTES_MAX, RECORD_BYTES_MAX
from callbridge.state.neighbours import MESSAGE_BYTES_MAX
from callbridge.state.state import BODY_BYTES_MAX, DETAILS, OVER, STARTED, CallEvent
from callbridge.state.text_notes import since, with_note, without_words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.state.callers import CallerRecord
    from callbridge.state.journal import JournalEntry
    from callbridge.state.neighbours import ToAll, ToCarrier
    from callbridge.state.places import CallerBounds
    from callbridge.state.reply import Reply
    from callbridge.state.text_notes import TextNote


@dataclass(frozen=True, slots=True)
class EventWrite:
    """An event without its number: the transaction gives it, where no other process can take it too."""

    call_sid: str
    kind: str
    at: float
    body: bytes

    def __post_init__(self) -> None:
        assert len(self.body) <= BODY_BYTES_MAX

    @property
    def is_detail(self) -> bool:
        """Whether a call can be understood without it."""
        return self.kind in DETAILS


@dataclass(frozen=True, slots=True, eq=False)  # Two claims of one token are two claims.
class TokenClaim:
    """Somebody who shows a token and waits for the answer."""

    digest: bytes
    expires_at: float
    reply: Reply[bool]
    name: str
    """Another one for every claim."""


@dataclass(frozen=True, slots=True)
class CallerNote:
    """A caller called."""

    caller_key: str
    at: float
    call_sid: str = ""
    """Of a call that had a place, which is noted once."""

    def __post_init__(self) -> None:
        assert math.isfinite(self.at)


@dataclass(frozen=True, slots=True)
class SpendNote:
    """Money was spent."""

    at: float
    microdollars: int
    process: str = ""
    """Whose note it is."""
    number: int = 0
    """1, 2, 3, … within its process: others take them in this order, and each once."""

    def __post_init__(self) -> None:
        assert math.isfinite(self.at)
        assert abs(self.microdollars) < 2**63  # What a column holds.


@dataclass(frozen=True, slots=True, eq=False)  # As with tokens.
class PlaceClaim:
    """Somebody who asks whether a caller may have one more call, and waits for the answer."""

    call_sid: str
    caller_key: str
    bounds: CallerBounds
    at: float
    reply: Reply[bool]

    def __post_init__(self) -> None:
        assert math.isfinite(self.at)


@dataclass(frozen=True, slots=True)
class PlaceCarried:
    """A stream of a call runs here."""

    call_sid: str
    caller_key: str
    told_at: float
    """By the monotonic clock of this machine: it may wait for long until it is written."""


@dataclass(frozen=True, slots=True)
class PlaceKept:
    """It has ended, and another one is to come."""

    call_sid: str
    for_s: float

    def __post_init__(self) -> None:
        assert math.isfinite(self.for_s)


@dataclass(frozen=True, slots=True)
class PlaceFreed:
    """A call is over."""

    call_sid: str


@dataclass(frozen=True, slots=True)
class PlaceGivenBack:
    """What was reserved here is not needed."""

    call_sid: str


@dataclass(frozen=True, slots=True)
class ToldCarrier:
    """A message for who carries a call."""

    message: ToCarrier

    def __post_init__(self) -> None:
        assert len(self.message.body) <= MESSAGE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class ToldAll:
    """A message for all others."""

    message: ToAll

    def __post_init__(self) -> None:
        assert len(self.message.body) <= MESSAGE_BYTES_MAX


PlaceWrite: TypeAlias = PlaceClaim | PlaceCarried | PlaceKept | PlaceFreed | PlaceGivenBack
Message: TypeAlias = ToldCarrier | ToldAll


@dataclass(frozen=True, slots=True)
class CallerRemembered:
    """What an agent may know of a caller."""

    caller_key: str
    agent: str
    record: CallerRecord

    def __post_init__(self) -> None:
        assert math.isfinite(self.record.at)
        assert len(self.record.body) <= RECORD_BYTES_MAX
        assert len(self.record.going_on) <= GOING_ON_BYTES_MAX


@dataclass(frozen=True, slots=True)
class CallerForgotten:
    """No agent may know anything of a caller any more."""

    caller_key: str


@dataclass(frozen=True, slots=True)
class TextNoted:
    """Something happened about texts."""

    note: TextNote


@dataclass(frozen=True, slots=True)
class Journaled:
    """A fact is on its way to the records."""

    entry: JournalEntry

    def __post_init__(self) -> None:
        assert len(self.entry.body) <= BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class JournalDropped:
    """All rows of the journal up to this place have arrived there."""

    through: int


Write: TypeAlias = (
    EventWrite
    | TokenClaim
    | CallerNote
    | SpendNote
    | PlaceWrite
    | Message
    | CallerRemembered
    | CallerForgotten
    | TextNoted
    | Journaled
    | JournalDropped
)


def storable(text: str) -> str:
    """`text` without what a home cannot hold: one bad name must not hold up others.

    UTF-8 has no bytes for lone surrogates, and texts of PostgreSQL no zeros.
    """
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def without_words(told: Sequence[EventWrite], *, is_over: bool) -> list[EventWrite]:
    """The events of one call without the details that an `OVER` drops: those before it, and those that follow
    before another stream starts.

    `is_over`: whether one came before all of these.
    """
    kept: list[EventWrite] = []
    for event in told:
        if event.kind == OVER:
            kept = [before for before in kept if not before.is_detail]
        if event.kind in {OVER, STARTED}:
            is_over = event.kind == OVER
        if not (is_over and event.is_detail):
            kept.append(event)
    return kept


def with_events(
    stored: tuple[CallEvent, ...], writes: Iterable[Write], call_sid: str
) -> tuple[CallEvent, ...]:
    """The events of one call."""
    mine = [write for write in writes if isinstance(write, EventWrite) and write.call_sid == call_sid]
    following = stored[-1].sequence + 1 if stored else 1
    turns = [event.kind for event in stored if event.kind in {STARTED, OVER}]
    waiting = without_words(mine, is_over=turns[-1:] == [OVER])
    if any(write.kind == OVER for write in mine):
        stored = tuple(event for event in stored if event.kind not in DETAILS)
    return stored + tuple(
        CallEvent(sequence, write.at, write.kind, write.body)
        for sequence, write in enumerate(waiting, following)
    )


def with_calls(
    stored: tuple[tuple[str, float], ...], writes: Iterable[Write], since: float
) -> tuple[tuple[str, float], ...]:
    """Who called at `since` or later."""
    waiting = [
        (write.caller_key, write.at)
        for write in writes
        if isinstance(write, CallerNote) and write.at >= since
    ]
    return tuple(sorted([*stored, *waiting], key=lambda note: note[1]))


def with_spend(
    stored: tuple[tuple[float, int], ...], writes: Iterable[Write], since: float
) -> tuple[tuple[float, int], ...]:
    """What was spent at `since` or later."""
    waiting = [
        (write.at, write.microdollars)
        for write in writes
        if isinstance(write, SpendNote) and write.at >= since
    ]
    return tuple(sorted([*stored, *waiting], key=lambda note: note[0]))


def with_record(
    stored: tuple[CallerRecord, ...], writes: Iterable[Write], caller_key: str, agent: str
) -> tuple[CallerRecord, ...]:
    """The record of a caller, if there is one."""
    for write in writes:
        match write:
            case CallerRemembered(key, whose, record) if (key, whose) == (caller_key, agent):
                stored = (record,)
            case CallerForgotten(key) if key == caller_key:
                stored = ()
            case _:
                pass
    return stored


def with_texts(
    stored: tuple[TextNote, ...], writes: Iterable[Write], caller_key: str, moment: float
) -> tuple[TextNote, ...]:
    """The notes of one caller about texts, since `moment`."""
    for write in writes:
        match write:
            case TextNoted(note) if note.caller_key == caller_key:
                stored = with_note(stored, note)
            case CallerForgotten(key) if key == caller_key:
                stored = without_words_of(stored)
            case _:
                pass
    return since(stored, moment)


def is_first(claim: TokenClaim, writes: Iterable[Write]) -> bool | None:
    """Whether nobody showed this token before `claim` did; nothing if the claim does not wait."""
    rivals = [write for write in writes if isinstance(write, TokenClaim) and write.digest == claim.digest]
    return rivals[0] is claim if any(rival is claim for rival in rivals) else None
