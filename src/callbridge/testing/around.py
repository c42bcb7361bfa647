"""What is around a call: people who can be rung, and the REST API of the account, for transfers and texts."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import Exchange, Person
from callbridge.simulators.phone.carrier_codes import Level
from callbridge.simulators.phone.people_report import people_report
from callbridge.simulators.phone.written_people import written_person

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from callbridge.simulators.account import Message
    from callbridge.simulators.account.alert import Alert
    from callbridge.simulators.phone import Leg
    from callbridge.simulators.phone.people_report import PersonReport

LET_GO_S: Final = 5.0
"""So long people are still there when the caller is gone: the service has 2 s to hang up on them."""


@dataclass(frozen=True)
class Around:
    """What is around one call."""

    exchange: Exchange
    account: SimulatedAccount
    api_url: str
    """Where the account is served."""
    pace: float
    """How much of the time of rings and talks is waited for."""

    @property
    def people(self) -> tuple[PersonReport, ...]:
        """What came of the calls to people."""
        return tuple(people_report(self.exchange.legs.values()))

    @property
    def texts(self) -> tuple[Message, ...]:
        """All messages, in their order."""
        return tuple(self.account.messages)

    def lead(self, voice_url: str) -> None:
        """Calls to the account's number are answered there."""
        for number in self.account.numbers:
            number.voice_url = voice_url

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What Twilio minds of the account. What it minds of calls is in their reports."""
        calls = self.exchange.legs
        alerts = self.account.ledger.alerts.values()
        return tuple(one for one in alerts if one.about not in calls and one.level != Level.NOTICE)

    async def let_go(self) -> None:
        """Returns when nobody is on the telephone any more, or soon after."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_S):
                for leg in tuple(self.exchange.legs.values()):
                    await _over(leg)


async def _over(leg: Leg) -> None:
    await leg.over.wait()


@contextlib.asynccontextmanager
async def around_call(
    credentials: tuple[str, str],
    number: str,
    people: Mapping[str, str | Person | Sequence[Person]],
    listener: socket.socket,
    wall_clock: Callable[[], float],
    *,
    pace: float,
) -> AsyncIterator[Around]:
    """For the length of a call.

    Args:
        credentials: of the account: its SID and its auth token.
        number: of the account; where calls to it are answered says `Around.lead`.
        people: who is at which address.
        listener: where the account's API is served.
        wall_clock: seconds since 1970.
        pace: how much of the time of rings and talks is waited for.

    Raises:
        ValueError: what a person does is not written so.
    """
    account_sid, auth_token = credentials
    there = {address: _person(address, person) for address, person in people.items()}
    async with Exchange(account_sid=account_sid, auth_token=auth_token, people=there, pace=pace) as exchange:
        settings = AccountSettings(account_sid=account_sid, auth_token=auth_token, numbers=(number,))
        account = SimulatedAccount(exchange, settings, clock=wall_clock)
        async with serve_account(account, listener=listener) as server:
            yield Around(exchange, account, server.base_url, pace)


def _person(address: str, person: str | Person | Sequence[Person]) -> Person | Sequence[Person]:
    """As it may be written: `takes`, `busy`, `no-answer@5`, `presses 1`."""
    return written_person(f"{address}={person}")[1] if isinstance(person, str) else person
