"""A transfer, from what is written down of it: where it stands, what became of it, and who is still wanted.

The caller may wait in their stream while a person is asked in a call of their own (*held*), or hear it ring.
Twilio tells of the two calls in webhooks that come late, twice, in any order and to any process; each notes
what it has learnt under the caller's CallSid, and from these facts alone every process sees the same.

Pure: facts and times come in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.call import facts, telephone_facts
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.telephone_facts import TransferAsked
from callbridge.call.wishes import PutThrough, Transfer
from callbridge.switchboard.continuation import CALL_OVER, Continuation
from callbridge.telephony.rest.outcomes import call_outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.call.telephone_facts import TransferEnded

RINGS_LONGER_S: Final = 5.0
"""Twilio rings that much longer than it is told (its page on `<Dial>`)."""

UNHEARD_OF_S: Final = 8.0
"""A call of which Twilio has told nothing for so long does not ring: its first news come within a second."""

BRIEFED_WITHIN_S: Final = 50.0
"""So long after the answer a person has decided: 600 characters take 40 s to say, and the key has 8 s."""

JOIN_WITHIN_S: Final = 15.0
"""So long caller and person wait for each other at the most, once the person has taken the call."""

_LEADS_BACK: Final = frozenset({Continuation.RESUME, Continuation.RETURN, Continuation.FALL_BACK})


@dataclass(slots=True)
class TransferSoFar:
    """One transfer, as far as it is known."""

    asked: TransferAsked
    asked_at: float
    """Wall time in seconds, as all times here."""
    person_sid: str = ""
    """Twilio's name of the call to the person, where it is one of its own."""
    picked_up_at: float | None = None
    """When Twilio saw somebody answer."""
    answered_at: float | None = None
    """When they began to hear the briefing."""
    takes_it: bool | None = None
    """Whether they take the call; None as long as they have not decided."""
    decided_at: float = 0.0
    keys: str = ""
    """What they pressed."""
    status: str = ""
    """How Twilio saw their call end, or go on."""
    sip_code: str = ""
    caller_joins: bool = False
    """The caller was led to the room."""
    is_led_back: bool = False
    """They were alone there, and are led out again."""
    have_met: bool = False
    """Both were in it."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Who was in which room."""
    ended: TransferEnded | None = None
    is_caller_gone: bool = False
    """They have hung up, or are with an agent again: whoever is rung for them is rung for nothing."""

    @property
    def is_forgotten(self) -> bool:
        """Whether nobody knows any more who was to be rung, and how."""
        return not self.asked.transfer.address

    @property
    def is_wanted(self) -> bool:
        """Whether the caller still waits for the person."""
        return self.ended is None and not self.is_caller_gone

    @property
    def has_person(self) -> bool:
        """Whether somebody is rung, asked, or waits for the caller."""
        return bool(self.person_sid) and not self.is_person_gone and not self.have_met

    @property
    def is_person_gone(self) -> bool:
        """Whether the call to the person is over."""
        return self.status in CALL_OVER

    def outcome(self, now: float) -> TransferOutcome | None:
        """What the call to the person has come to; None as long as it is open. `CONNECTED`: they take it."""
        if self.takes_it is not None:
            return _decided(takes_it=self.takes_it, keys=self.keys)
        if self.is_person_gone:
            return call_outcome(status=self.status, sip_code=self.sip_code) or TransferOutcome.CARRIER_FAULT
        if self.answered_at is not None:
            return TransferOutcome.VOICEMAIL if now - self.answered_at > BRIEFED_WITHIN_S else None
        if now - self.asked_at > self.asked.transfer.ring_s + RINGS_LONGER_S + UNHEARD_OF_S:
            return TransferOutcome.NO_ANSWER
        is_heard_of = self.person_sid or self.status
        return None if is_heard_of or now - self.asked_at <= UNHEARD_OF_S else TransferOutcome.CARRIER_FAULT

    def outcome_of_dial(self, dial_status: str, bridged: str, call_status: str) -> TransferOutcome:
        """What a `<Dial>` has come to, by Twilio's words in the caller's request about it.

        `completed` says only that something has picked up; `DialBridged` that the two were connected. Where
        that does not come, a call that nobody was asked about is taken for connected.
        """
        told = bridged.strip().lower()
        is_connected = told == "true" or (
            told != "false" and dial_status in {"completed", "answered"} and not self.asked.transfer.is_asked
        )
        if is_connected or (told != "false" and self.takes_it):
            return TransferOutcome.CONNECTED
        if call_status in CALL_OVER or dial_status == "canceled":
            return TransferOutcome.CALLER_HUNG_UP
        if self.takes_it is False:
            return _decided(takes_it=False, keys=self.keys)
        return call_outcome(status=dial_status, sip_code=self.sip_code) or TransferOutcome.CARRIER_FAULT

    def outcome_of_room(self, call_status: str, dial_status: str = "") -> TransferOutcome:
        """What it has come to that the caller was led to the room: they have met the person there, or not."""
        if self.have_met:
            return TransferOutcome.CONNECTED
        if call_status in CALL_OVER:
            return TransferOutcome.CALLER_HUNG_UP
        # The news of a room may be late. Out of it lead the other one, who was there then, and we.
        has_left = dial_status in {"answered", "completed"} and not self.is_led_back
        return TransferOutcome.CONNECTED if has_left else TransferOutcome.DECLINED

    def is_to_go_back(self, now: float) -> bool:
        """Whether a caller who waits in the room waits for nobody."""
        return not self.have_met and (self.is_person_gone or self.is_late(now))

    def is_late(self, now: float) -> bool:
        """Whether the two have had the time to meet."""
        return now - self.decided_at > JOIN_WITHIN_S

    def brings_both_together(self, now: float) -> bool:
        """Whether the caller's stream, of whose end nobody knows, leads to the person: they have taken the
        call, or the caller is with them already.
        """
        takes_it = self.asked.is_held and self.takes_it is True and not self.is_late(now)
        return not self.is_caller_gone and (self.caller_joins or (takes_it and not self.is_person_gone))


def _decided(*, takes_it: bool, keys: str) -> TransferOutcome:
    if takes_it:
        return TransferOutcome.CONNECTED
    # Who presses another key has understood the question. What presses none is a mailbox, as a rule.
    return TransferOutcome.DECLINED if keys else TransferOutcome.VOICEMAIL


def read_transfers(found: Iterable[tuple[float, facts.Fact]]) -> dict[str, TransferSoFar]:
    """The transfers of one call by their names, from its facts with the wall time of each.

    Whom it was for are words, and those are dropped when nothing was told of a call for a quarter of an hour:
    two who talk for longer are told by what is left. Nobody else is rung for that.
    """
    transfers: dict[str, TransferSoFar] = {}
    for at, fact in found:
        if isinstance(fact, telephone_facts.TransferAsked):
            for earlier in transfers.values():
                earlier.is_caller_gone = True
            transfers.setdefault(fact.transfer_id, TransferSoFar(fact, at))
        elif isinstance(fact, telephone_facts.OF_TRANSFERS):
            _tell(_known(transfers, fact.transfer_id, at), fact, at)
        elif isinstance(fact, facts.StreamEnded) and isinstance(fact.follows, PutThrough):
            so_far = _known(transfers, fact.follows.transfer_id, at)
            if so_far.is_forgotten:
                so_far.asked = forgotten(fact.follows.transfer_id, at, fact.follows.name).asked
        elif _takes_caller_away(fact):
            for so_far in transfers.values():
                so_far.is_caller_gone = True
    return transfers


def forgotten(transfer_id: str, at: float, name: str = "") -> TransferSoFar:
    """A transfer of which nothing is known but that there was one, and perhaps to whom."""
    asked = TransferAsked(transfer_id, Transfer(name or "somebody", ""))
    return TransferSoFar(asked, at, is_caller_gone=True)


def _known(transfers: dict[str, TransferSoFar], transfer_id: str, at: float) -> TransferSoFar:
    if transfer_id not in transfers:
        transfers[transfer_id] = forgotten(transfer_id, at)
    return transfers[transfer_id]


def _takes_caller_away(fact: facts.Fact) -> bool:
    """Whether the caller is with somebody else from here on, or with nobody."""
    match fact:
        case facts.StreamStarted() | facts.CallOver() | facts.StreamEnded():
            return True
        case facts.StreamAsked(follows=follows):
            return follows in _LEADS_BACK
        case facts.CallReported(status):
            return status in CALL_OVER
        case _:
            return False


def _tell_of_room(so_far: TransferSoFar, fact: telephone_facts.RoomReported) -> None:
    if fact.event == "participant-join" and fact.room_sid:
        so_far.seen.add((fact.room_sid, fact.who))
    # The news that both are there may be lost.
    both = {(fact.room_sid, "caller"), (fact.room_sid, "person")}
    so_far.have_met = so_far.have_met or fact.event == "conference-start" or both <= so_far.seen


def _tell(so_far: TransferSoFar, fact: facts.Fact, at: float) -> None:
    match fact:
        case telephone_facts.PersonRung(person_sid=sid):
            so_far.person_sid = so_far.person_sid or sid
        case telephone_facts.PersonAnswered():
            so_far.answered_at = at if so_far.answered_at is None else so_far.answered_at
        case telephone_facts.PersonDecided(takes_it=takes_it, keys=keys) if so_far.takes_it is None:
            so_far.takes_it, so_far.keys, so_far.decided_at = takes_it, keys, at
        case telephone_facts.PersonReported(status=status, sip_code=sip_code):
            if not so_far.is_person_gone:  # News come in any order, and none follows the last.
                so_far.status, so_far.sip_code = status, sip_code
            if status == "in-progress" and so_far.picked_up_at is None:
                so_far.picked_up_at = at
        case telephone_facts.CallerJoined():
            so_far.caller_joins = True
        case telephone_facts.CallerLedBack():
            so_far.is_led_back = True
        case telephone_facts.RoomReported():
            _tell_of_room(so_far, fact)
        case telephone_facts.TransferEnded():
            so_far.ended = so_far.ended or fact
        case _:
            pass
