"""What is around a simulated call: people who can be rung, and the REST API of its account.

A warm transfer needs all of it in one process: the service asks the account to ring somebody, and the caller
meets them in a room.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.cli.account_report import AccountReport, account_report
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import AccountNumber, Exchange, SimulatedCall
from callbridge.simulators.phone.people_report import PersonReport, people_report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from callbridge.simulators.account import Seen
    from callbridge.simulators.phone import Caller, CallReport, CallSettings, Person, PhoneEvent

HOST: Final = "127.0.0.1"
ACCOUNT_PORT: Final = 9010
"""Where a simulated account is to be found that nobody has given another place."""
API_URL: Final = f"http://{HOST}:{ACCOUNT_PORT}"

PACE: Final = 0.2
"""A ring of 20 s takes 4 s."""

LET_GO_S: Final = 5.0
"""So long people are still there when the caller is gone: the service has 2 s to hang up on them."""


class PortTaken(Exception):  # noqa: N818  # As its words have it.
    """The account cannot be served where it is to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is around a call."""

    people: Mapping[str, Person | Sequence[Person]]
    """Who can be rung at which address. Without any a `<Dial>` goes as the line's settings say."""
    numbers: tuple[str, ...] = ()
    """Of the account."""
    port: int | None = None
    """Where the account is served; 0 for nowhere. None: at the usual port, unless that is taken and nobody is
    there who could be rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who is told what happens while it happens."""

    on_event: Callable[[PhoneEvent], None]
    on_person: Callable[[str, PhoneEvent], None]
    """With the address."""
    on_request: Callable[[Seen], None]
    on_account: Callable[[str], None]
    """Told where the account is served, before the call."""


@dataclass(frozen=True, slots=True)
class WholeReport:
    """What came of a call and of all that was around it."""

    call: CallReport
    people: list[PersonReport]
    account: AccountReport

    @property
    def is_good(self) -> bool:
        """Whether the agent was heard, and neither Twilio nor the caller has anything to complain about."""
        minded = self.account.warnings or any(person.warnings for person in self.people)
        return self.call.is_clean and self.call.was_agent_heard and not minded

    def to_json(self) -> bytes:
        """The report as indented JSON: that of the call, with `people` and `account` in it."""
        found = msgspec.to_builtins(self.call) | {"people": self.people, "account": self.account}
        return msgspec.json.format(msgspec.json.encode(found), indent=2)


async def place_among(
    url: str, caller: Caller, settings: CallSettings, around: Around, watchers: Watchers
) -> WholeReport:
    """Places the call, and stays until nobody is on the telephone any more.

    Raises:
        PortTaken: the account cannot be served.
    """
    numbers = {address: AccountNumber(url) for address in around.numbers}
    async with (
        Exchange(
            account_sid=settings.account_sid,
            auth_token=settings.auth_token,
            people=around.people,
            numbers=numbers,
            pace=settings.verb_time,
        ) as exchange,
        _account(exchange, url, around, watchers) as account,
    ):
        exchange.on_event = watchers.on_person
        there = replace(settings, exchange=exchange) if around.people else settings
        placed = SimulatedCall(url, caller, there, on_event=watchers.on_event)
        if not around.people:
            exchange.enroll(placed.leg)  # The account knows it, though its line rings nobody there.
        call = await placed.run()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_S):
                for leg in tuple(exchange.legs.values()):
                    await leg.over.wait()
    return WholeReport(call, people_report(exchange.legs.values()), account_report(account))


@asynccontextmanager
async def _account(
    exchange: Exchange, url: str, around: Around, watchers: Watchers
) -> AsyncIterator[SimulatedAccount]:
    """The account of the exchange, served if it is to be."""
    ours = exchange.settings
    settings = AccountSettings(
        account_sid=ours.account_sid, auth_token=ours.auth_token, numbers=around.numbers
    )
    account = SimulatedAccount(exchange, settings)
    for number in account.numbers:
        number.voice_url = url
    account.on_request = watchers.on_request
    async with contextlib.AsyncExitStack() as served:
        if around.port != 0:
            port = ACCOUNT_PORT if around.port is None else around.port
            try:
                server = await served.enter_async_context(serve_account(account, HOST, port))
            except OSError as error:
                if around.port is not None or around.people:
                    raise PortTaken(f"{HOST}:{port} cannot be used for the account: {error}") from error
            else:
                watchers.on_account(server.base_url)
        yield account
