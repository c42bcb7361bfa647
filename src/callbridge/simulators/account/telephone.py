"""What the account needs of the telephone network: legs that it can ring, redirect and end.

`phone.exchange` is one, with people who answer. `QuietExchange` is one in which nobody answers by themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from callbridge.simulators.account.formats import new_sid
from callbridge.simulators.phone.call_settings import ACCOUNT_SID
from callbridge.simulators.phone.conferences import Conferences
from callbridge.simulators.phone.new_leg import NewLeg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from callbridge.simulators.phone.carrier_codes import Complaint
    from callbridge.simulators.phone.leg_record import Recording
    from callbridge.simulators.phone.ringing import AccountNumber


class Leg(Protocol):
    """A leg of a call, also one that is over."""

    @property
    def sid(self) -> str:
        """CallSid."""

    @property
    def parent_sid(self) -> str | None:
        """Of the leg whose `<Dial>` made it."""

    @property
    def from_address(self) -> str:
        """Who calls."""

    @property
    def to_address(self) -> str:
        """Who is called."""

    @property
    def direction(self) -> str:
        """As the Call resource has it: `inbound`, `outbound-api` or `outbound-dial`, in these letters."""

    @property
    def status(self) -> str:
        """As the Call resource has it, with hyphens."""

    @property
    def created_at(self) -> datetime:
        """When it was asked for, or came."""

    @property
    def left_queue_at(self) -> datetime | None:
        """Of one that was created over REST: when it was dialled."""

    @property
    def answered_at(self) -> datetime | None:
        """When somebody or something picked up."""

    @property
    def ended_at(self) -> datetime | None:
        """When it was over."""

    @property
    def duration_s(self) -> int | None:
        """From the answer to the end."""

    @property
    def recordings(self) -> Sequence[Recording]:
        """What `<Record>` has kept of it."""

    @property
    def streams_s(self) -> Sequence[float]:
        """How long each of its media streams was open, of those that are over."""

    @property
    def answered_by(self) -> str | None:
        """What machine detection has found."""

    def redirect(self, url: str, method: str) -> Awaitable[object]:
        """Go on with another document."""

    def redirect_to(self, document: str) -> object:
        """Go on with this document."""

    def report_to(self, url: str, method: str) -> None:
        """Tell another address from now on how it fares."""

    def hang_up(self) -> object:
        """End it."""

    def cancel(self) -> object:
        """End it before it is answered."""


class Exchange(Protocol):
    """The telephone network."""

    @property
    def legs(self) -> Mapping[str, Leg]:
        """All that there were, by their sid, the oldest first."""

    @property
    def conferences(self) -> Conferences:
        """Its rooms."""

    numbers: Mapping[str, AccountNumber]
    """Where calls to numbers of the account lead: the account says it."""
    on_complaint: Callable[[str, Complaint], None]
    """Told of what Twilio minds, with the CallSid where it is about a call."""

    def call_out(self, leg: NewLeg) -> Leg:
        """Queue a call: one leaves the queue in a second."""


__all__ = ["LIVE", "Exchange", "Leg", "NewLeg", "QuietExchange", "QuietLeg"]

LIVE: Final = frozenset({"queued", "ringing", "in-progress"})


# --- A network in which nobody answers ------------------------------------------------------------------


class QuietLeg:
    """It rings until it has rung long enough, or until a test has somebody answer or hang up."""

    def __init__(self, asked: NewLeg, direction: str, clock: Callable[[], float], rings_at: float) -> None:
        self.asked = asked
        self.direction = direction
        self.sid = new_sid("CA")
        self.parent_sid: str | None = None
        self.answered_by: str | None = None
        self.recordings: list[Recording] = []
        self.streams_s: list[float] = []
        self.documents: list[str] = []
        """Where it was redirected to: addresses, or TwiML."""
        self.reports_to = asked.status_callback, asked.status_callback_method
        self._clock = clock
        self._created_at = clock()
        self._rings_at = rings_at
        self._answered_at: float | None = None
        self._ended_at: float | None = None
        self._ending = ""

    @property
    def from_address(self) -> str:
        """Who calls."""
        return self.asked.from_address

    @property
    def to_address(self) -> str:
        """Who is called."""
        return self.asked.to_address

    @property
    def created_at(self) -> datetime:
        """When it was asked for, or came."""
        return datetime.fromtimestamp(self._created_at, UTC)

    @property
    def left_queue_at(self) -> datetime | None:
        """When it was dialled."""
        is_out = self.direction == "outbound-api" and self._clock() >= self._rings_at
        return datetime.fromtimestamp(self._rings_at, UTC) if is_out else None

    @property
    def answered_at(self) -> datetime | None:
        """When somebody or something picked up."""
        return None if self._answered_at is None else datetime.fromtimestamp(self._answered_at, UTC)

    @property
    def ended_at(self) -> datetime | None:
        """When it was over."""
        is_over = self.status not in LIVE and self._ended_at is not None
        return datetime.fromtimestamp(self._ended_at or 0.0, UTC) if is_over else None

    @property
    def duration_s(self) -> int | None:
        """From the answer to the end."""
        if self._answered_at is None or self.status in LIVE:
            return None
        return round((self._ended_at or 0.0) - self._answered_at)

    @property
    def status(self) -> str:
        """As the Call resource has it."""
        silent_at = self._rings_at + self.asked.timeout_s
        if not self._ending and self._answered_at is None and self._clock() >= silent_at:
            self._ending, self._ended_at = "no-answer", silent_at
        if self._ending:
            return self._ending
        if self._answered_at is not None:
            return "in-progress"
        return "queued" if self._clock() < self._rings_at else "ringing"

    def answer(self) -> None:
        """Somebody picks up."""
        if self.status == "ringing":
            self._answered_at = self._clock()

    async def redirect(self, url: str, method: str) -> None:  # noqa: ARG002 - nothing is asked here
        """Take down where it is to go."""
        self.documents.append(url)

    def redirect_to(self, document: str) -> None:
        """Take down what it is to do."""
        self.documents.append(document)

    def report_to(self, url: str, method: str) -> None:
        """Take down who is told."""
        self.reports_to = url, method

    def hang_up(self) -> None:
        """End it, whatever its state."""
        self.end("canceled" if self._answered_at is None else "completed")

    def cancel(self) -> None:
        """End it."""
        self.end("canceled")

    def end(self, status: str) -> None:
        """It ends so, if it has not ended."""
        if self.status in LIVE:
            self._ending, self._ended_at = status, self._clock()


class QuietExchange:
    """Calls are queued, ring, and are answered by `QuietLeg.answer` alone; no webhook is asked."""

    def __init__(self, clock: Callable[[], float], calls_per_s: float = 1.0) -> None:
        self.legs: dict[str, QuietLeg] = {}
        self.numbers: Mapping[str, AccountNumber] = {}
        self.conferences = Conferences(ACCOUNT_SID, lambda _callback, _event, _told: None)
        """Nobody is ever in one."""
        self.on_complaint: Callable[[str, Complaint], None] = lambda _sid, _complaint: None
        self._clock = clock
        self._pause_s = 1 / calls_per_s
        self._free_at = 0.0

    def call_out(self, leg: NewLeg) -> QuietLeg:
        """Queue a call."""
        rings_at = max(self._clock(), self._free_at)
        self._free_at = rings_at + self._pause_s
        return self._kept(QuietLeg(leg, "outbound-api", self._clock, rings_at))

    def call_in(self, from_address: str, to_address: str) -> QuietLeg:
        """Somebody calls a number of ours; it rings until `answer`."""
        leg = QuietLeg(NewLeg(to_address, from_address), "inbound", self._clock, self._clock())
        return self._kept(leg)

    def _kept(self, leg: QuietLeg) -> QuietLeg:
        self.legs[leg.sid] = leg
        return leg
