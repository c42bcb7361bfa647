"""How long everything of a call was open that is billed by the minute: its line, streams, people, rooms.

Pure. Twilio counts started minutes per leg; how long a leg lasted it says itself, and where its word has not
come our own clock says it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.bill_facts import Billed
from callbridge.call.price import started
from callbridge.call.price_list import CONFERENCE, RECORDING, STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.facts import Fact
    from callbridge.records.stream_facts import StreamFacts, Timed

_NEVER_ANSWERED: Final = frozenset({"busy", "failed", "no-answer", "canceled"})
"""Values of Twilio's `CallStatus` of a call that costs nothing."""

_ON_THE_LINE: Final = (
    *(facts.StreamAsked, facts.MenuAnswered, facts.FallbackDialed, facts.VoicemailLeft, facts.StreamReported),
    *(t.RoomReported, t.CallerJoined, t.TransferEnded),
)
"""What can only be learnt while the caller is on the line, or as they leave it."""


@dataclass(frozen=True, slots=True)
class Leg:
    """Something that is billed by the minute."""

    priced_as: str
    """By which price of the list; empty where that is not known."""
    seconds: float

    @property
    def minutes(self) -> int:
        """Those that were started."""
        return started(self.seconds)


@dataclass(frozen=True, slots=True)
class Legs:
    """All of a call."""

    line: Leg | None = None
    """The caller's; nothing for a call that was never answered."""
    streams: tuple[Leg, ...] = ()
    people: tuple[Leg, ...] = ()
    """Who was rung and has answered."""
    rooms: tuple[Leg, ...] = ()
    """Each who was in one."""
    recordings: tuple[Leg, ...] = ()
    """What the caller has left behind the tone."""


def legs_of(streams: Sequence[StreamFacts], learnt: Sequence[Timed]) -> Legs:
    """The legs of a call, as far as they are known; of a live one up to now."""
    until_ms = _left_ms(streams, learnt)
    return Legs(
        line=_line(streams, learnt, until_ms),
        streams=tuple(leg for stream in streams if (leg := _stream(stream)) is not None),
        people=(*_transfers(learnt, until_ms), *_fallbacks(learnt)),
        rooms=tuple(_rooms(learnt, until_ms)),
        recordings=tuple(_recordings(learnt)),
    )


def _facts(timed: Iterable[Timed]) -> Iterable[Fact]:
    return (one.fact for one in timed)


def _seconds(text: str) -> int:
    """What Twilio writes of a length; 0 where it does not."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


# --- The caller's line ----------------------------------------------------------------------------------


def _line(streams: Sequence[StreamFacts], learnt: Sequence[Timed], until_ms: int) -> Leg | None:
    reports = [fact for fact in _facts(learnt) if isinstance(fact, facts.CallReported)]
    if not streams and any(report.status in _NEVER_ANSWERED for report in reports):
        return None
    told_s = max((_seconds(report.duration_s) for report in reports), default=0)
    if not (streams or told_s or until_ms):
        return None
    return Leg(_line_price(streams, learnt), told_s or until_ms / 1000)


def _line_price(streams: Sequence[StreamFacts], learnt: Sequence[Timed]) -> str:
    offered = (fact.priced_as for fact in _facts(learnt) if isinstance(fact, facts.CallOffered))
    of_streams = (timed.fact for stream in streams for timed in stream.facts)
    billed = (fact.priced_as for fact in of_streams if isinstance(fact, Billed) and fact.what == "line")
    return next(filter(None, (*offered, *billed)), "")


def _left_ms(streams: Sequence[StreamFacts], learnt: Sequence[Timed]) -> int:
    """The last moment at which the caller was known to be there."""
    ends = [stream.facts[-1].at_ms if end is None else end for stream in streams for end in [_end_ms(stream)]]
    return max([*ends, *(timed.at_ms for timed in learnt if isinstance(timed.fact, _ON_THE_LINE))], default=0)


# --- Streams --------------------------------------------------------------------------------------------


def _end_ms(stream: StreamFacts) -> int | None:
    return stream.first(facts.StreamEnded)[0]


def _stream(stream: StreamFacts) -> Leg | None:
    """From its start to its end. What comes after, like late words, is no stream any more."""
    began_ms, _ = stream.first(facts.StreamStarted)
    if began_ms is None:
        return None
    end_ms = _end_ms(stream)
    return Leg(STREAM, ((stream.facts[-1].at_ms if end_ms is None else end_ms) - began_ms) / 1000)


# --- People ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Person:
    answered_ms: int | None = None
    ended_ms: int | None = None
    told_s: int = 0
    priced_as: str = ""
    is_unanswered: bool = False


def _transfers(learnt: Sequence[Timed], until_ms: int) -> Iterable[Leg]:
    people: dict[str, _Person] = {}
    for timed in learnt:
        match timed.fact:
            case t.PersonAnswered(transfer_id) | t.PersonDecided(transfer_id):
                _answered(people.setdefault(transfer_id, _Person()), timed.at_ms)
            case t.PersonReported(transfer_id) as reported:
                _reported(people.setdefault(transfer_id, _Person()), reported, timed.at_ms)
            case _:
                pass
    for person in people.values():
        if person.answered_ms is not None and not person.is_unanswered:
            ended_ms = max(until_ms, person.answered_ms) if person.ended_ms is None else person.ended_ms
            yield Leg(person.priced_as, person.told_s or (ended_ms - person.answered_ms) / 1000)


def _answered(person: _Person, at_ms: int) -> None:
    person.answered_ms = at_ms if person.answered_ms is None else person.answered_ms


def _reported(person: _Person, reported: t.PersonReported, at_ms: int) -> None:
    person.priced_as = reported.priced_as or person.priced_as
    person.told_s = max(person.told_s, _seconds(reported.duration_s))
    if reported.status == "in-progress" or person.told_s:
        _answered(person, at_ms)
    if reported.status == "completed":
        person.ended_ms = at_ms
    person.is_unanswered = person.is_unanswered or reported.status in _NEVER_ANSWERED


def _fallbacks(learnt: Sequence[Timed]) -> Iterable[Leg]:
    dialed = (fact for fact in _facts(learnt) if isinstance(fact, facts.FallbackDialed))
    return [Leg(fact.priced_as, seconds) for fact in dialed if (seconds := _seconds(fact.duration_s))]


# --- Rooms and recordings -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Room:
    since_ms: dict[str, int] = field(default_factory=dict)
    """Who is in it, and since when."""
    lasted_ms: list[int] = field(default_factory=list)

    def leaves(self, who: str, at_ms: int) -> None:
        if (since_ms := self.since_ms.pop(who, None)) is not None:
            self.lasted_ms.append(at_ms - since_ms)


def _rooms(learnt: Sequence[Timed], until_ms: int) -> Iterable[Leg]:
    rooms: dict[str, _Room] = {}
    for timed in learnt:
        match timed.fact:
            case t.RoomReported(transfer_id, event, room_sid, who):
                room = rooms.setdefault(room_sid or transfer_id, _Room())
                if event == "participant-join":
                    room.since_ms.setdefault(who, timed.at_ms)
                elif event == "participant-leave":
                    room.leaves(who, timed.at_ms)
                elif event == "conference-end":
                    for somebody in list(room.since_ms):
                        room.leaves(somebody, timed.at_ms)
            case _:
                pass
    for room in rooms.values():
        for somebody, since_ms in list(room.since_ms.items()):
            room.leaves(somebody, max(until_ms, since_ms))
        yield from (Leg(CONFERENCE, lasted_ms / 1000) for lasted_ms in room.lasted_ms)


def _recordings(learnt: Sequence[Timed]) -> Iterable[Leg]:
    """Those of which their own length is told; each is told of twice."""
    lengths: dict[str, int] = {}
    for fact in _facts(learnt):
        if isinstance(fact, facts.VoicemailLeft) and (seconds := _seconds(fact.duration_s)):
            lengths[fact.recording_sid] = max(lengths.get(fact.recording_sid, 0), seconds)
    return [Leg(RECORDING, seconds) for seconds in lengths.values()]
