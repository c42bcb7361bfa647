"""Whether a caller may be put through to the human of the fallback, and which number the human is shown.

Twilio fails a `<Dial>` whose caller ID is no number of the call's nor of the account's (13214, 13247), so who
has no number of their own is shown as the number that they called. And a human's telephone may forward back
to us: then each call would ring the next, without an end, so such a call is not put through at all.

Pure: the time is passed in.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

RINGS_AT_ONCE_MAX: Final = 2
"""Calls of one caller that ring the human at the same time. A third is taken for the forwarding of the first:
carriers need not tell that a call was forwarded, and then all that returns is the caller's number."""

SUFFIX_DIGITS_MIN: Final = 7
"""Fewer digits than a subscriber's number has are too few to tell numbers apart by."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164, and not too short to be rung back."""

_ADDRESS = re.compile(r"(?:(?:sips?|tel|client|whatsapp):)?([^@;?]*)")


class NotPutThrough(enum.Enum):
    """Why nobody is rung."""

    NOBODY = "no human is configured"
    CLOSED = "it is outside of the office hours"
    LEADS_BACK = "the human's number forwards back here"
    NO_CALLER_ID = "neither caller nor called number can be shown; set CALLBRIDGE_FALLBACK_CALLER_ID"


@dataclass(frozen=True, slots=True)
class Ends:
    """The numbers of a call, as Twilio spells them."""

    caller: str
    called: str
    forwarded_from: tuple[str, ...] = ()
    """Numbers by way of which it came, as far as the carrier tells."""
    is_anonymous: bool = False
    """The caller's number stands for none at all."""


@dataclass(frozen=True, slots=True)
class PutThrough:
    """The human may be rung."""

    caller_id: str
    """What they are shown; nothing for the caller's own number."""


def put_through(
    ends: Ends, human: str, own_number: str, *, is_open: bool = True
) -> PutThrough | NotPutThrough:
    """Whether a call may ring `human`.

    Args:
        ends: of the call.
        human: the number that would be rung; nothing where there is none.
        own_number: one of the account, for calls without any; or nothing.
        is_open: whether it is within the hours of that human.
    """
    if not human:
        return NotPutThrough.NOBODY
    if not is_open:
        return NotPutThrough.CLOSED
    if _leads_back(ends, human, own_number):
        return NotPutThrough.LEADS_BACK
    if _NUMBER.fullmatch(ends.caller) and not ends.is_anonymous:
        return PutThrough("")
    shown = line_number(ends, own_number)
    return PutThrough(shown) if shown else NotPutThrough.NO_CALLER_ID


def line_number(ends: Ends, own_number: str) -> str:
    """The number that stands for this line: the one that was called, else one of the account, or nothing."""
    return ends.called if _NUMBER.fullmatch(ends.called) else own_number


def _leads_back(ends: Ends, human: str, own_number: str) -> bool:
    """Whether ringing the human would bring the call here again, or has just done so.

    It was forwarded from there; or it came to, or from, that very number; or its caller is who we show to the
    human in place of a caller without a number: nobody else calls from our own numbers.
    """
    at_human = (ends.called, ends.caller, *ends.forwarded_from)
    shown_by_us = (ends.called, own_number)
    return any(is_same_number(number, human) for number in at_human) or any(
        is_same_number(ends.caller, number) for number in shown_by_us
    )


def is_same_number(one: str, other: str) -> bool:
    """Whether two spellings mean one number: `+14155550123`, `4155550123`, `sip:+14155550123@a.example`.

    With a plus both are whole. Else one may lack its country code, or begin with the 0 of its country.
    """
    first, second = _dialled(one), _dialled(other)
    if first.startswith("+") and second.startswith("+"):
        return first == second
    short, long = sorted((first.lstrip("+0"), second.lstrip("+0")), key=len)
    return len(short) >= SUFFIX_DIGITS_MIN and long.endswith(short)


def _dialled(number: str) -> str:
    """The digits of a number, with its plus; nothing where there are letters: such a name is none."""
    address = _ADDRESS.match(number.strip().lower())
    text = re.sub(r"[\s().-]", "", address[1]) if address else ""
    return text if re.fullmatch(r"\+?[0-9]{1,20}", text) else ""


class Rings:
    """Which calls ring the human at this moment, by caller; the bound of a ladder that leads back unseen.

    It knows the calls of one process, and of several each allows as many. What holds for all of them is how
    often a caller may call in ten minutes (`callers.py`), which the state counts.

    Args:
        ring_s: when a ring is over of which no end is told. A telephone that forwards after some seconds has
            done so by then.
    """

    def __init__(self, ring_s: float) -> None:
        self._ring_s = ring_s
        # In order of time: the first is the first to be over.
        self._rings: dict[str, tuple[str, float]] = {}
        self._by_caller: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Rings {len(self._rings)} of {len(self._by_caller)} callers>"

    def is_busy(self, call_sid: str, caller: str, now: float) -> bool:
        """Whether other calls of this caller ring the human as often as one may."""
        self._forget(now)
        own = self._rings.get(call_sid, ("", 0.0))[0] == caller
        return self._by_caller[caller] - own >= RINGS_AT_ONCE_MAX

    def began(self, call_sid: str, caller: str, now: float) -> None:
        """A call of this caller rings the human. Said twice, it is one ring."""
        self._forget(now)
        self.ended(call_sid)
        self._rings[call_sid] = (caller, now)
        self._by_caller[caller] += 1

    def ended(self, call_sid: str) -> None:
        """It does not ring any more, or never did."""
        if (ring := self._rings.pop(call_sid, None)) is None:
            return
        self._by_caller[ring[0]] -= 1
        if not self._by_caller[ring[0]]:
            del self._by_caller[ring[0]]

    def _forget(self, now: float) -> None:
        while self._rings:
            call_sid, (_, began_at) = next(iter(self._rings.items()))
            if now - began_at < self._ring_s:
                return
            self.ended(call_sid)
