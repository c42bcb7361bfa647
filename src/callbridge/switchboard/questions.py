"""What Twilio has asked about a call before, and what it was told: a repetition is told the same.

A webhook may come twice: Twilio repeats one whose answer it did not get, and a stranger may have captured
one, whose signature never expires. So each is known by what it is about. A call rings once: its offer is
known by the CallSid. What follows a stream is asked once for each stream, and the address that is asked says
for which one; Twilio signs the address, so nobody makes a question about another stream of an old one. The
header `I-Twilio-Idempotency-Token` tells a retry, too, but nobody signs it.

Two processes may be asked the same in one moment, and note an answer each. The first one counts, in the order
of the state that they share: both read it again, and tell Twilio that.

Pure: the facts of the call come in.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from callbridge.call import facts
from callbridge.switchboard.continuation import CALL_OVER, Continuation

if TYPE_CHECKING:
    from collections.abc import Iterable

OFFER_S: Final = 30.0
"""Twilio gives up on a webhook after 15 s. What rings later is no retry."""

_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_TRANSFER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_ANSWERS = frozenset(Continuation)
_HANG_UP: Final = facts.StreamAsked(Continuation.HANG_UP.value)


@dataclass(frozen=True, slots=True)
class Question:
    """What follows a stream: one question of Twilio's, by its address."""

    stream: int = 0
    """1, 2, 3, … within the call; 0 when the address does not say: the latest."""
    held: int = 0
    """How often the caller was told to wait, and Twilio to ask again."""
    transfer: str = ""
    """The transfer behind the stream that has ended as well; empty where there was none, or it is to come."""

    @classmethod
    def read(cls, stream: str, held: str, transfer: str = "") -> Question:
        """The question of an address, by the values of its query. What cannot be so counts as left out."""
        first, second = (int(text) if _NUMBER.fullmatch(text) else 0 for text in (stream, held))
        return cls(first, second, transfer if _TRANSFER.fullmatch(transfer) else "")

    @property
    def query(self) -> str:
        """What its address ends in."""
        held = f"&held={self.held}" if self.held else ""
        return f"stream={self.stream}{held}" + (f"&transfer={self.transfer}" if self.transfer else "")

    @property
    def again(self) -> Question:
        """The same, asked when the caller has waited once more."""
        return replace(self, held=self.held + 1)

    def behind(self, transfer_id: str) -> Question:
        """What follows this transfer, which follows the stream."""
        return Question(self.stream, 0, transfer_id)


class Offer(enum.Enum):
    """What a ringing phone is to us."""

    FIRST = enum.auto()
    """Nobody has told us of this call."""
    AGAIN = enum.auto()
    """The same offer once more: the same answer."""
    GOES_ON = enum.auto()
    """A call that we have had, and that somebody sent back to where it began."""
    OVER = enum.auto()
    """There is no such call any more."""


@dataclass(slots=True)
class Asked:
    """What was asked about one call so far."""

    offered: facts.CallOffered | None = None
    offered_at: float = 0.0
    """Wall time in seconds."""
    latest: int = 0
    """The number of the latest stream that was promised; 0 before there is one."""
    begun: int = 0
    """The latest that was promised when a stream last began."""
    is_over: bool = False
    """Twilio has said so, or was told to end the call."""
    is_known: bool = False
    """Whether it was offered, or a stream of it has begun. Other news of it may come before that."""
    answers: dict[Question, facts.StreamAsked] = field(default_factory=dict)
    answered_at: dict[Question, float] = field(default_factory=dict)
    """When that was, in seconds of wall time."""

    def offer(self, call_status: str, now: float) -> Offer:
        """What becomes of a call that is offered.

        Args:
            call_status: Twilio's `CallStatus` in the request. It is signed.
            now: wall time in seconds.
        """
        if self.is_over or call_status in CALL_OVER:
            return Offer.OVER
        if not self.is_known:
            return Offer.FIRST
        is_ringing = call_status == "ringing"
        if self.holds_an_offer(now) and (is_ringing or not self.begun):
            return Offer.AGAIN
        if is_ringing:
            return Offer.OVER  # It rang long ago: who rings with its name repeats what was said then.
        # Who was not taken may try again, in a flow that comes back here.
        return Offer.FIRST if self.offered is not None and self.offered.declined else Offer.GOES_ON

    def holds_an_offer(self, now: float) -> bool:
        """Whether what this call was told when it rang is to be told again."""
        if self.offered is None:
            return False
        promise = self.offered.promise
        return now < (self.offered_at + OFFER_S if promise is None else float(promise.expires_at))

    def resolved(self, question: Question) -> Question:
        """The question with its stream, where the address does not say which one."""
        return question if question.stream else replace(question, stream=max(self.latest, 1))

    def next_stream(self, question: Question) -> int:
        """The number of the stream that follows the one in question.

        Where nothing is known of the call the address is believed.
        """
        return max(self.latest, question.stream) + 1

    def holds_an_answer(self, question: Question, now: float) -> bool:
        """Whether what the same question was told before is to be told again."""
        before = self.answers.get(question)
        return before is not None and (before.promise is None or now < before.promise.expires_at)

    def answer_to(self, question: Question, call_status: str, now: float) -> facts.StreamAsked | None:
        """What the same question was told before, to be told again; None when it is to be decided.

        A promise is kept for as long as its token lives. If no stream came of it by then the call is asked
        about anew; if one did, whoever asks repeats an old request and is told to hang up.
        """
        before = self.answers.get(question)
        if call_status in CALL_OVER:
            return _HANG_UP if self.is_over else None
        if before is None:
            return _HANG_UP if self.is_over or question.stream < self.latest else None
        if self.holds_an_answer(question, now):
            return before
        assert before.promise is not None, "what promised nothing holds"
        return _HANG_UP if self.begun >= before.promise.stream else None


def read_asked(found: Iterable[tuple[float, facts.Fact]]) -> Asked:
    """What was asked, from the facts of a call with the wall time of each (`continuation.read_facts`)."""
    asked = Asked()
    for at, fact in found:
        match fact:
            case facts.CallOffered() if asked.holds_an_offer(at) and not asked.begun:
                pass  # Of a process that did not see the first one.
            case facts.CallOffered():
                asked.offered, asked.offered_at, asked.is_known = fact, at, True
                asked.latest = max(asked.latest, 0 if fact.declined else 1)
            case facts.StreamStarted():
                asked.begun, asked.is_known = asked.latest, True
            case facts.StreamAsked():
                asked.is_known = True
                _read_answer(asked, fact, at)
            case facts.CallReported(status) if status in CALL_OVER:
                asked.is_over = True
            case _:
                pass
    return asked


def _read_answer(asked: Asked, fact: facts.StreamAsked, at: float) -> None:
    question = Question(fact.stream, fact.held, fact.transfer)
    is_second = fact.follows != Continuation.HANG_UP and asked.holds_an_answer(question, at)
    if is_second:
        return  # Of a process that did not see the first one. That a call is over is news all the same.
    if fact.promise is not None:
        asked.latest = max(asked.latest, fact.promise.stream)
    if fact.stream and fact.follows in _ANSWERS:
        asked.answers[question], asked.answered_at[question] = fact, at
    if fact.follows in {Continuation.HANG_UP, Continuation.SAY_GOODBYE}:
        asked.is_over = True
