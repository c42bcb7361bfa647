"""What an account owns and what has happened in it: the one thing that all resources share.

Pure but for its clock, which is passed in. What is to be done in the world is left in `effects`.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from callbridge.simulators.account.account_codes import meaning_of
from callbridge.simulators.account.alert import Alert
from callbridge.simulators.account.effects import Ask, WebReply
from callbridge.simulators.account.formats import new_sid
from callbridge.simulators.phone.call import ACCOUNT_SID, AUTH_TOKEN
from callbridge.simulators.phone.carrier_codes import Complaint, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callbridge.simulators.account.effects import Effect
    from callbridge.simulators.account.message import Delivery, Message
    from callbridge.simulators.account.phone_number import PhoneNumber
    from callbridge.simulators.account.recording import Recording


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key with which the REST API is asked in place of the auth token."""

    sid: str
    """`SK…`."""
    secret: str = field(repr=False)
    kind: Literal["main", "standard", "restricted"] = "standard"
    """A standard key may do everything but `/Accounts`; a restricted one what it was given."""
    grants: frozenset[str] = frozenset()
    """Of a restricted key: `Calls`, `Messages`, `IncomingPhoneNumbers`, `Alerts`, …, as in the paths."""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """What an account is. The defaults are an ordinary, paid one without a number."""

    account_sid: str = ACCOUNT_SID
    auth_token: str = field(default=AUTH_TOKEN, repr=False)
    keys: tuple[ApiKey, ...] = ()
    test_sid: str = "AC" + "7" * 32
    """Of the account's test credentials: they do nothing, and know Twilio's magic numbers."""
    test_token: str = field(default="simulated-test-token", repr=False)
    friendly_name: str = "A simulated account"
    type: Literal["Full", "Trial"] = "Full"
    status: Literal["active", "suspended", "closed"] = "active"
    region: str = "us1"
    """Where its calls are processed: they are not to be found at the host of another region."""
    numbers: tuple[str, ...] = ()
    """Telephone numbers that it owns from the start."""
    verified_numbers: frozenset[str] = frozenset()
    """Numbers of others that it may show, and that a trial account may reach."""
    landlines: frozenset[str] = frozenset()
    """Numbers that take no messages (21614)."""
    call_refusals: Mapping[str, int] = field(default_factory=dict)
    """Numbers that a call to is refused at once, with the code: 21214 to 21217."""
    do_not_originate: frozenset[str] = frozenset()
    """Numbers that no call may come from (21212)."""
    applications: Mapping[str, str] = field(default_factory=dict)
    """Voice URLs of its TwiML applications, by their `AP…`."""
    calls_per_s: float = 1.0
    """How many calls leave the queue in a second."""
    segments_per_s: float = 1.0
    """How many segments of messages leave each number in a second."""
    debugger_url: str = ""
    """Asked, signed, of each complaint."""
    takes_loopback: bool = True
    """Whether webhooks may be on this machine. Twilio refuses such addresses; it could not reach them."""
    has_advanced_opt_out: bool = False
    """Whether requests about messages have `OptOutType`."""


class Ledger:
    """The books of one account."""

    def __init__(self, settings: AccountSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        """Seconds since 1970."""
        self.auth_token = settings.auth_token
        """May be changed: the account's token is rotated."""
        self.type = settings.type
        self.status = settings.status
        self.debugger_url = settings.debugger_url
        self.created_at: Final = clock()
        self.numbers: dict[str, PhoneNumber] = {}
        """By their sid, the oldest first."""
        self.messages: dict[str, Message] = {}
        self.recordings: dict[str, Recording] = {}
        self.alerts: dict[str, Alert] = {}
        self.complaints: list[Complaint] = []
        """Everything that Twilio would have warned of."""
        self.opted_out: set[tuple[str, str]] = set()
        """Pairs of a number of ours and one whose owner wants nothing from it."""
        self.deliveries: dict[str, Delivery] = {}
        """What becomes of messages to a number; of all others they arrive."""
        self.free_at: dict[str, float] = {}
        """When the queue of a sending number is empty."""
        self.effects: deque[Effect] = deque()
        self.on_complaint: Callable[[Complaint], None] = lambda _: None
        """Called with each complaint."""
        self.on_work: Callable[[], None] = lambda: None
        """Called when there is something new to do, or to wait for."""
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    # --- Time -----------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `wake` has something to do, by `clock`."""
        return self._later[0][0] if self._later else None

    def later(self, delay_s: float, do: Callable[[], None]) -> None:
        """Have something happen by itself."""
        heapq.heappush(self._later, (self.clock() + delay_s, next(self._order), do))
        self.on_work()

    def wake(self) -> None:
        """Let happen what is due."""
        while self._later and self._later[0][0] <= self.clock():
            heapq.heappop(self._later)[2]()

    # --- The world ------------------------------------------------------------------------

    def do(self, effect: Effect) -> None:
        """Leave something to be done."""
        self.effects.append(effect)
        self.on_work()

    def complain(
        self, code: int, detail: str, about: str = "", *, url: str = "", level: Level | None = None
    ) -> None:
        """Take down what Twilio would warn of, as an alert, and tell the debugger's webhook.

        Args:
            code: Twilio's.
            detail: what it is about, in words.
            about: sid of the call, message or number that it happened to.
            url: the webhook that it happened at.
            level: in place of the code's own. A notice is for people who test: Twilio has no such level.
        """
        found = meaning_of(code)
        own = found.level if found is not None else Level.ERROR
        complaint = Complaint(code, detail, self.clock(), level)
        self.complaints.append(complaint)
        self.on_complaint(complaint)
        told = own if level is None or level is Level.NOTICE else level
        alert = Alert(new_sid("NO"), code, told, detail, about, url, self.clock())
        self.alerts[alert.sid] = alert
        if self.debugger_url:
            # Failures of this one webhook are not reported again.
            form = alert.debugger_form(self.settings.account_sid)
            self.do(Ask(self.debugger_url, "POST", form, _forgotten))

    # --- What it owns ---------------------------------------------------------------------

    def number(self, address: str) -> PhoneNumber | None:
        """The number of ours that has this address."""
        return next((number for number in self.numbers.values() if number.address == address), None)

    @property
    def is_trial(self) -> bool:
        """Whether it is a trial account, which may do little."""
        return self.type == "Trial"

    def owns_or_has_verified(self, address: str) -> bool:
        """Whether calls may come from it."""
        return self.number(address) is not None or address in self.settings.verified_numbers


def _forgotten(reply: WebReply) -> None:
    """Nobody is told what became of it."""
