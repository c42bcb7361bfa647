"""Who can be rung: what a person does when the telephone rings, scripted.

Pure. All seconds are those of the person's own life; the exchange says how fast that goes by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.phone.caller import Caller

SIP_CODES = {"completed": 200, "busy": 486, "no-answer": 487, "canceled": 487, "failed": 404}
"""`SipResponseCode` of a call that ended so."""


class Answers(StrEnum):
    """What becomes of a ring."""

    PICKS_UP = "picks up"
    MAILBOX = "mailbox"
    """A machine picks up: it presses no key, and takes whatever it hears for a message."""
    BUSY = "busy"
    DECLINES = "declines"
    """They look at the number and push it away: the same as busy on the wire, but after a while."""
    NO_ANSWER = "no answer"
    UNREACHABLE = "unreachable"
    """The carrier cannot route the call."""


class Moment(StrEnum):
    """When somebody who has picked up may have enough."""

    BRIEFING = "briefing"
    """They begin to hear something."""
    KEYS = "keys"
    """They are asked for a key."""
    WAITING = "waiting"
    """They are alone in a conference."""
    TALK = "talk"
    """They are connected, by `<Dial>` or in a conference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at an address. The defaults pick up after two seconds and talk for half a minute."""

    answers: Answers = Answers.PICKS_UP
    after_s: float = 2.0
    """How long it rings before they do so; over the caller's time limit it is no answer."""
    presses: tuple[str, ...] = ()
    """What they enter at each `<Gather>` in turn; nothing when used up, and `""` is nothing."""
    talks_s: float | None = 30.0
    """They hang up after so long a talk; None: the other side has to."""
    leaves: Moment | None = None
    """They hang up already at this moment, …"""
    leaves_after_s: float = 0.0
    """… or so long after it."""
    forwards_to: str | None = None
    """Another address that rings in place of this one; a number of the account is a new call at its voice
    URL."""
    taken_for: str = ""
    """What machine detection says of them (`AnsweredBy`), as `unknown`; what they are when empty."""
    speaks: Callable[[], Caller] | None = None
    """Who talks when their call becomes a media stream; they say nothing when None."""

    def leaves_after(self, moment: Moment) -> float | None:
        """How long after `moment` they hang up; None when they stay."""
        if moment is self.leaves:
            return self.leaves_after_s
        return self.talks_s if moment is Moment.TALK else None


NOBODY = Person(answers=Answers.UNREACHABLE, after_s=0.0)
"""At every address where no person was put."""
