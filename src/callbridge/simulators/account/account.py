"""An account at Twilio, as its REST API shows it: a request in, an answer out.

Pure but for its clock: what it does to the world it leaves in `ledger.effects`, and `server` carries it out.
It follows Twilio's documentation and refuses what Twilio refuses; what it would warn of is a complaint.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from callbridge.simulators.account import magic, texts_in
from callbridge.simulators.account.asked import Asked
from callbridge.simulators.account.calls import Calls
from callbridge.simulators.account.conferences import Rooms
from callbridge.simulators.account.credentials import asker_of
from callbridge.simulators.account.faults import Fault, FaultKind, Faults
from callbridge.simulators.account.form import Form
from callbridge.simulators.account.formats import API, new_sid
from callbridge.simulators.account.leads import Leads
from callbridge.simulators.account.ledger import AccountSettings, Ledger
from callbridge.simulators.account.participants import Participants
from callbridge.simulators.account.phone_number import PhoneNumber
from callbridge.simulators.account.recording import Recording
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found
from callbridge.simulators.account.routes import found, routes
from callbridge.simulators.account.telephone import QuietExchange
from callbridge.simulators.phone import exchange as phone_exchange
from callbridge.simulators.phone.call import SimulatedCall
from callbridge.simulators.phone.call_settings import CallSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.account.message import Delivery, Message
    from callbridge.simulators.account.rest import RestRequest
    from callbridge.simulators.account.routes import Route
    from callbridge.simulators.account.telephone import Exchange
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.carrier_codes import Complaint
    from callbridge.simulators.phone.line_settings import LineSettings

FORM: Final = "application/x-www-form-urlencoded"
REGIONS: Final = frozenset({"us1", "ie1", "au1", "de1", "sg1", "br1", "jp1"})
CONCURRENT_MAX: Final = 100
"""More requests at once than this are refused with 20429."""

_HOST: Final = re.compile(r"(?:api|monitor)\.(?:[a-z-]+\.)?([a-z]{2}[0-9])\.twilio\.com(?::[0-9]+)?")
_ACCOUNT: Final = re.compile(rf"/{API}/Accounts/([^/]+?)(/.*)?\.json")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the shell does with an answer."""

    answer: RestAnswer
    delay_s: float = 0.0
    is_lost: bool = False
    """The connection is cut in its place."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, as it is shown to who watches."""

    method: str
    path: str
    status: int
    code: int | None
    """Of a refusal."""
    fault: FaultKind | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    """What was sent, as it was: numbers and words of people."""


class SimulatedAccount:
    """The account. Tests script `faults`, `deliveries` and `status`, and read what came of it."""

    def __init__(
        self,
        exchange: Exchange | None = None,
        settings: AccountSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """An account on a telephone network.

        Args:
            exchange: the network; without one nobody answers (`QuietExchange`).
            settings: what account it is.
            clock: seconds since 1970.
        """
        self.settings: Final = settings or AccountSettings()
        if isinstance(exchange, phone_exchange.Exchange):
            theirs = exchange.settings.account_sid
            if theirs != self.settings.account_sid:
                raise ValueError(
                    f"the exchange is that of {theirs}, the account is {self.settings.account_sid}"
                )
        self.ledger: Final = Ledger(self.settings, clock)
        if isinstance(exchange, phone_exchange.Exchange):
            line = self._line(exchange.settings.line)
            exchange.settings = replace(exchange.settings, line=line)
        self.exchange: Final = exchange or QuietExchange(clock, self.settings.calls_per_s)
        self.calls: Final = Calls(self.ledger, self.exchange)
        self.faults: Final = Faults()
        self.seen: Final[list[Seen]] = []
        """Every request."""
        self.on_request: Callable[[Seen], None] = lambda _: None
        rooms = Rooms(self.ledger, self.exchange)
        participants = Participants(self.ledger, self.exchange, rooms)
        self.exchange.on_complaint = self._mind
        self.exchange.numbers = Leads(self.ledger, self.exchange.numbers)
        self._routes = routes(self.ledger, self.exchange, self.calls, rooms, participants)
        for address in self.settings.numbers:
            self.add_number(address)

    # --- For tests --------------------------------------------------------------------------

    @property
    def numbers(self) -> list[PhoneNumber]:
        """Its telephone numbers, with where they lead."""
        return list(self.ledger.numbers.values())

    @property
    def messages(self) -> list[Message]:
        """Every message, in and out, the oldest first."""
        return list(self.ledger.messages.values())

    @property
    def deliveries(self) -> dict[str, Delivery]:
        """What becomes of messages to a number, to be written; of all others they arrive."""
        return self.ledger.deliveries

    @property
    def complaints(self) -> list[Complaint]:
        """Everything that Twilio would have warned of."""
        return self.ledger.complaints

    def add_number(self, address: str) -> PhoneNumber:
        """The account owns one more number."""
        number = PhoneNumber(new_sid("PN"), address, self.ledger.clock())
        self.ledger.numbers[number.sid] = number
        return number

    def text_in(self, from_address: str, to_address: str, body: str, media: tuple[str, ...] = ()) -> Message:
        """Somebody sends a message to a number of the account.

        Raises:
            ValueError: it is not one of the account.
        """
        return texts_in.text_in(self.ledger, from_address, to_address, body, media)

    def call_in(
        self, from_address: str, to_address: str, caller: Caller, settings: CallSettings | None = None
    ) -> SimulatedCall:
        """Somebody calls a number of the account: a call to where that leads, not yet begun.

        Raises:
            ValueError: it is not one of the account.
        """
        if self.ledger.number(to_address) is None:
            raise ValueError(f"{to_address} is not a number of the account")
        number = self.exchange.numbers[to_address]
        placed = settings or CallSettings()
        placed = replace(
            placed,
            account_sid=self.settings.account_sid,
            auth_token=self.ledger.auth_token,
            from_number=from_address,
            to_number=to_address,
            method=number.method,
            status_callback_url=number.status_callback_url,
            line=replace(
                self._line(placed.line),
                fallback_url=number.fallback_url,
                fallback_method=number.fallback_method,
            ),
            exchange=self.exchange if isinstance(self.exchange, phone_exchange.Exchange) else None,
        )
        return SimulatedCall(number.voice_url, caller, placed)

    # --- The network ------------------------------------------------------------------------

    def _line(self, line: LineSettings) -> LineSettings:
        """The line of a call of this account: which numbers it may show, and whether it is on trial."""
        return replace(
            line,
            verified_numbers=line.verified_numbers | self.settings.verified_numbers,
            do_not_originate=line.do_not_originate | self.settings.do_not_originate,
            is_trial=self.ledger.is_trial,
        )

    def _mind(self, call_sid: str, complaint: Complaint) -> None:
        """Something on the telephone is wrong."""
        url = re.search(r"https?://[^\s'\"]+", complaint.detail)
        self.ledger.complain(
            complaint.code, complaint.detail, call_sid, url=url[0] if url else "", level=complaint.level
        )

    def _collect_recordings(self) -> None:
        for leg in self.exchange.legs.values():
            for kept in leg.recordings:
                ended_at = kept.ended_at.timestamp()
                self.ledger.recordings.setdefault(
                    kept.sid, Recording(kept.sid, leg.sid, ended_at, kept.seconds)
                )

    # --- The API ------------------------------------------------------------------------------

    def answer(self, request: RestRequest, concurrent: int = 1) -> Reply:
        """Answer one request, and do what it asks for.

        Args:
            request: what came.
            concurrent: how many requests are being answered, with this one.
        """
        fault = self.faults.met_by(request)
        does_it = fault is None or fault.does_it
        told = self._told(request, concurrent) if does_it else RestAnswer(200)
        reply = _spoiled(told, fault)
        code = (reply.answer.body or {}).get("code")
        seen = Seen(
            request.method,
            request.path,
            reply.answer.status,
            code if isinstance(code, int) else None,
            None if fault is None else fault.kind,
            tuple(self._form(request).pairs),
        )
        self.seen.append(seen)
        self.on_request(seen)
        return replace(reply, answer=self._with_headers(reply.answer, concurrent))

    def _told(self, request: RestRequest, concurrent: int) -> RestAnswer:
        if concurrent > CONCURRENT_MAX:
            return Refusal(20429).answer
        try:
            return self._answer(request)
        except Refusal as refusal:
            return refusal.answer

    def _answer(self, request: RestRequest) -> RestAnswer:
        region, path = _region_of(request, self.settings.region)
        asker = asker_of(self.ledger, request)
        if path.startswith("/v1/"):
            behind = path
        elif (match := _ACCOUNT.fullmatch(path)) is not None:
            if match[1] != (self.settings.test_sid if asker.is_test else self.settings.account_sid):
                raise not_found(path)
            behind = match[2] or ""
        else:
            raise _no_path(path)
        route, parts = found(self._routes, request.method, behind, path)
        asked = Asked(request, self._form(request), parts, path, region)
        if asker.is_test:
            return magic.answered(self.ledger, asked, route.resource)
        asker.check(route.resource)
        if self.ledger.status != "active" and route.resource != "Accounts":
            raise Refusal(20005)
        self._mind_unknown(asked, route)
        self._collect_recordings()
        return route.answer(asked)

    def _form(self, request: RestRequest) -> Form:
        """The 2010 API takes forms only: of JSON it sees no parameter."""
        if request.method in {"GET", "DELETE"}:
            text = request.query
        else:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            text = request.body.decode("utf-8", "replace") if kind == FORM else ""
        return Form(text, takes_loopback=self.settings.takes_loopback)

    def _mind_unknown(self, asked: Asked, route: Route) -> None:
        """Twilio passes over parameters that it does not know."""
        for name in asked.form.unknown(route.parameters):
            self.ledger.complain(20001, f"{asked.request.method} {asked.path}: {name}", url=asked.path)

    def _with_headers(self, answer: RestAnswer, concurrent: int) -> RestAnswer:
        headers = {
            "Twilio-Request-Id": f"RQ{secrets.token_hex(16)}",
            "Twilio-Concurrent-Requests": str(concurrent),
            "Twilio-Request-Duration": "0.010",
            "X-Home-Region": self.settings.region,
            "X-Api-Domain": "api.twilio.com",
            "X-Powered-By": "AT-5000",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "ETag, Twilio-Request-Id",
        }
        return replace(answer, headers=headers | dict(answer.headers))


def _spoiled(answer: RestAnswer, fault: Fault | None) -> Reply:
    """What the client gets of an answer."""
    match fault.kind if fault is not None else None:
        case FaultKind.HANG:
            assert fault is not None  # its kind says so
            return Reply(answer, fault.seconds, is_lost=not fault.does_it)
        case FaultKind.LOST:
            return Reply(answer, is_lost=True)
        case FaultKind.FAILED:
            return Reply(Refusal(20500).answer)
        case FaultKind.DOWN:
            return Reply(Refusal(20503).answer)
        case FaultKind.BUSY:
            return Reply(Refusal(20429).answer)
        case None:
            return Reply(answer)


def _region_of(request: RestRequest, home: str) -> tuple[str, str]:
    """The region that is asked, and the path within it: `/ie1/2010-04-01/…`, or by the host's name."""
    first, _, rest = request.path.removeprefix("/").partition("/")
    if first in REGIONS:
        return first, f"/{rest}"
    if (match := _HOST.fullmatch(request.headers.get("host", "").lower())) is not None:
        return match[1], request.path
    return home, request.path


def _no_path(path: str) -> Refusal:
    """Without `.json` Twilio answers XML, which is not simulated."""
    if path.startswith(f"/{API}/Accounts") and not path.endswith(".json"):
        return Refusal(20406, path)
    return not_found(path)
