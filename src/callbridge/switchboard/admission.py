"""Whether this process takes a call, decided at the webhook, before Twilio connects anything.

A call that is taken gets a place, first as a reservation, because Twilio needs a moment to open the stream:
two offers that arrive together must not both get the last place. The places of this process are counted here;
what else may be against a call (the model, the money, the process itself) is asked of the parts handed in.
Whether its caller calls too often is asked before, of the state that all processes share.

Twilio may ask one process about a call and open its stream at another one, where it has a place whatever is
taken. So the processes look at each other, too: when all have as many calls as they have places together,
none takes another one.

In memory and pure: the time is passed in, always of one clock that never goes back.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.state.places import RESERVED_S
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.switchboard.spending import SpendLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.switchboard.circuit import Circuits
    from callbridge.switchboard.spending import Spending

LOWERED_S: Final = 60.0
"""The model's rate limits are counted by the minute."""

LOWERED_TO_PERCENT: Final = 90

RAN_OUT_S: Final = 10.0
"""So long no call is taken after descriptors ran out. One is enough to find out that they still are."""


class DeclineReason(enum.StrEnum):
    """Why a call is not taken. Fixed words, for logs and metrics."""

    DRAINING = "draining"
    """The process is about to stop."""

    STATE = "state"
    """What happens could not be written down."""

    LOOP_LAG = "loop_lag"
    """The event loop is late: another call would spoil the ones there are."""

    MODEL_OUTAGE = "model_outage"
    """The circuit to the voice model is open."""

    SPEND = "spend"
    """The hour or the day has cost as much as it may."""

    CAPACITY = "capacity"
    """All places are taken."""

    DESCRIPTORS = "descriptors"
    """The process may open no more files: another call could not reach its model."""

    CALLER_LIMIT = "caller_limit"
    """This caller calls too often."""

    ANONYMOUS_LIMIT = "anonymous_limit"
    """Callers without a number have all the calls that they may have together."""

    STARTS = "starts"
    """Too many calls begin at once."""

    @property
    def is_callers_own(self) -> bool:
        """Whether it is the caller who calls too often: no human is rung for them, whatever else is so."""
        return self in {DeclineReason.CALLER_LIMIT, DeclineReason.ANONYMOUS_LIMIT}


def callers_own(caller: str) -> DeclineReason:
    """The reason for the caller with this key who calls too often."""
    return DeclineReason.ANONYMOUS_LIMIT if caller == ANONYMOUS else DeclineReason.CALLER_LIMIT


@dataclass(slots=True)
class Condition:
    """What is known of the process itself. Written by whoever notices, read at each offer."""

    is_draining: bool = False
    """It takes no new calls; those that it has may come back to it."""
    is_leaving: bool = False
    """It hands its calls over: whoever comes back must go to the next process."""
    has_healthy_store: bool = True
    is_loop_late: bool = False
    others: int = 0
    """Processes beside it that take calls of the same number, each with as many places."""
    calls_of_others: int = 0
    """What these carry, as it was a moment ago."""

    @property
    def reasons_to_decline(self) -> Iterator[DeclineReason]:
        """Why it takes no call whatever, the gravest first."""
        if self.is_draining:
            yield DeclineReason.DRAINING
        if not self.has_healthy_store:
            yield DeclineReason.STATE
        if self.is_loop_late:
            yield DeclineReason.LOOP_LAG


@dataclass(slots=True)
class _Place:
    """What one call holds."""

    reserved_until: float | None = None
    """Until when its next stream is waited for; nothing while none is."""
    streams: int = 0
    """More than one for a moment, when a call comes back before its old stream is gone."""

    @property
    def is_free(self) -> bool:
        return not self.streams and self.reserved_until is None


class Admission:
    """The places of this process, and who gets one."""

    def __init__(
        self,
        *,
        calls_max: int,
        starts_per_second: int,
        circuits: Circuits,
        spending: Spending,
        condition: Condition,
    ) -> None:
        assert calls_max > 0
        assert starts_per_second > 0
        self._calls_max = calls_max
        self._starts = _Starts(starts_per_second)
        self._circuits = circuits
        self._spending = spending
        self._condition = condition
        self._places: dict[str, _Place] = {}
        # In order of expiry, which with one time for all is the order of the offers.
        self._reserved: dict[str, float] = {}
        self._lowered: tuple[int, float] | None = None
        self._ran_out_at: float | None = None

    def __repr__(self) -> str:
        return f"<Admission places={len(self._places)} of {self._calls_max} reserved={len(self._reserved)}>"

    # Calls.

    def offer(self, call_sid: str, model: str, now: float) -> DeclineReason | None:
        """A call rings, whose caller may call: its place is reserved, or it is refused and holds nothing.

        Args:
            call_sid: Twilio's name of the call. One that has a place keeps it: a webhook that Twilio
                repeats is neither refused nor counted twice.
            model: what its agent speaks with.
            now: the time.
        """
        self._forget(now)
        if call_sid in self._places:
            self._reserve(call_sid, now)
            return None
        reason = next(self._reasons_to_decline(model, now), None) or self._starts.take(now)
        if reason is None:
            self._places[call_sid] = _Place()
            self._reserve(call_sid, now)
        return reason

    def continue_(self, call_sid: str, now: float) -> DeclineReason | None:
        """A call comes back on a new stream; it is refused only where calls are handed over.

        It was admitted once, here or in the process before. Hanging up on it would be worse than being one
        call over the limit.
        """
        self._forget(now)
        if self._condition.is_leaving:
            return DeclineReason.DRAINING
        if call_sid not in self._places:
            self._places[call_sid] = _Place()
        self._reserve(call_sid, now)
        return None

    def reasons_to_decline(self, model: str, now: float) -> list[DeclineReason]:
        """Why a call of somebody who has not called yet would be declined, the gravest reason first."""
        self._forget(now)
        return list(self._reasons_to_decline(model, now))

    def started(self, call_sid: str, now: float) -> bool:
        """The stream of a call that has a place has begun.

        False: the call has none. It was never offered here, or its reservation has lapsed; `continue_` makes
        one for a stream whose token is proof that it was.
        """
        self._forget(now)
        if call_sid not in self._places:
            return False
        place = self._places[call_sid]
        place.streams += 1
        place.reserved_until = None
        self._reserved.pop(call_sid, None)
        return True

    def ended(self, call_sid: str, now: float) -> None:
        """A stream that had `started` has ended; to be told once for each True of it.

        The place is kept where the call is about to come back.
        """
        self._forget(now)
        place = self._places.get(call_sid)
        assert place is not None, "a stream ends after it started"
        assert place.streams > 0, "a stream ends once"
        place.streams -= 1
        self._leave_if_free(call_sid)

    def abandoned(self, call_sid: str, now: float) -> None:
        """The call is over at Twilio: no stream of it will come any more."""
        self._forget(now)
        if self._reserved.pop(call_sid, None) is not None:
            self._places[call_sid].reserved_until = None
            self._leave_if_free(call_sid)

    def rate_limited(self, now: float) -> None:
        """The model has had too many requests: for a minute, nine tenths of the calls that are live now.

        The bound follows the live calls and not the last bound, because one moment of trouble is told by many
        calls at once.
        """
        limit = max(1, self.live(now) * LOWERED_TO_PERCENT // 100)
        self._lowered = (min(limit, self.limit(now)), now + LOWERED_S)

    def descriptors_ran_out(self, now: float) -> None:
        """A call could not open a socket to its model. That is our own fault: the model may be well."""
        self._ran_out_at = now

    def live(self, now: float) -> int:
        """The places taken: started and reserved."""
        self._forget(now)
        return len(self._places)

    def reserved(self, now: float) -> int:
        """Those of them whose stream is waited for."""
        self._forget(now)
        return len(self._reserved)

    def has_room(self, now: float) -> bool:
        """Whether there is a place that nobody has."""
        return self.live(now) < self.limit(now)

    def limit(self, now: float) -> int:
        """The places that there are at this moment."""
        if self._lowered is None or now >= self._lowered[1]:
            return self._calls_max
        return self._lowered[0]

    # Within.

    def _reasons_to_decline(self, model: str, now: float) -> Iterator[DeclineReason]:
        yield from self._condition.reasons_to_decline
        if self._circuits.is_open(model, now):
            yield DeclineReason.MODEL_OUTAGE
        if self._spending.level(now) is not SpendLevel.WITHIN_CAPS:
            yield DeclineReason.SPEND
        if not self.has_room(now) or self._are_all_full(now):
            yield DeclineReason.CAPACITY
        if self._ran_out_at is not None and now < self._ran_out_at + RAN_OUT_S:
            yield DeclineReason.DESCRIPTORS

    def _are_all_full(self, now: float) -> bool:
        others = self._condition
        places = self.limit(now) + self._calls_max * others.others
        return self.live(now) + others.calls_of_others >= places

    def _reserve(self, call_sid: str, now: float) -> None:
        self._reserved.pop(call_sid, None)
        self._reserved[call_sid] = self._places[call_sid].reserved_until = now + RESERVED_S

    def _leave_if_free(self, call_sid: str) -> None:
        if self._places[call_sid].is_free:
            del self._places[call_sid]

    def _forget(self, now: float) -> None:
        while self._reserved:
            call_sid, until = next(iter(self._reserved.items()))
            if now < until:
                break
            del self._reserved[call_sid]
            self._places[call_sid].reserved_until = None
            self._leave_if_free(call_sid)


class _Starts:
    """A bucket of tokens, one for each start; it holds a second's worth."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._filled_at: float | None = None

    def take(self, now: float) -> DeclineReason | None:
        """Takes a token, or says that there is none."""
        if self._filled_at is not None:
            filled = self._left + (now - self._filled_at) * self._per_second
            self._left = min(float(self._per_second), filled)
        self._filled_at = now
        if self._left < 1:
            return DeclineReason.STARTS
        self._left -= 1
        return None
