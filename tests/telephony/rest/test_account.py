"""The client beside the simulated account, which refuses what Twilio refuses, over HTTP."""

from __future__ import annotations

import datetime as dt
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from callbridge.simulators.account import (
    AccountSettings,
    Fault,
    SimulatedAccount,
    serve_account,
)
from callbridge.simulators.account import (
    FaultKind as Wrong,
)
from callbridge.telephony.rest.client import Patience, TwilioRest, open_rest
from callbridge.telephony.rest.credentials import Credentials
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.records import NewCall, Pointing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TO, OWN = "+14155550123", "+14155550199"
URL = "https://calls.example.com/twilio/x"
USUAL, HASTY = Patience(), Patience(timeout_s=0.3, pauses_s=(0.01, 0.01))


@asynccontextmanager
async def at(
    account: SimulatedAccount, patience: Patience = USUAL, secret: str = ""
) -> AsyncIterator[TwilioRest]:
    async with serve_account(account) as server:
        credentials = Credentials(
            account.settings.account_sid,
            SecretStr(secret or account.settings.auth_token),
            api_url=server.base_url,
        )
        async with open_rest(credentials, patience) as rest:
            yield rest


def an_account() -> SimulatedAccount:
    return SimulatedAccount(settings=AccountSettings(numbers=(OWN,)))


async def test_what_the_client_says_is_taken_without_a_complaint() -> None:
    """One of each request, in the order in which a first number is set up and used."""
    account = an_account()
    async with at(account) as rest:
        assert (await rest.account()).status == "active"
        today = dt.datetime.now(dt.UTC).date()
        (total,) = await rest.usage(today, "totalprice")
        assert (total.category, total.price, total.price_unit) == ("totalprice", 0.0, "usd")
        assert {"calls-inbound", "totalprice"} <= {used.category for used in await rest.usage(today)}
        (own,) = await rest.numbers(OWN)
        pointed = await rest.update_number(
            own.sid, Pointing(voice_url=URL, voice_method="POST", trunk_sid="")
        )
        assert (pointed.number, pointed.voice_url) == (OWN, URL)
        offers = await rest.available_numbers("US", limit=3)
        bought = await rest.buy_number(offers[0].number, Pointing(voice_url=URL))
        assert {number.sid for number in await rest.numbers()} == {own.sid, bought.sid}
        call = await rest.create_call(NewCall(TO, OWN, URL, URL, ring_s=20, send_digits="w1"))
        assert not await rest.redirect_call(call, URL), "it still rings"
        assert await rest.end_call(call)
        assert not await rest.end_call(call), "it is over"
        sent = await rest.send_message(TO, OWN, "Grüße", validity_s=600)
        assert (sent.status, sent.segments) == ("queued", 1)
        assert await rest.alerts(dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1)) == []
    assert account.complaints == []


async def test_a_call_is_made_once_though_its_answer_is_lost() -> None:
    """Whatever goes wrong after it was made, it is not made again."""
    account, wrongs = an_account(), (Wrong.LOST, Wrong.FAILED, Wrong.HANG)
    for wrong in wrongs:
        account.faults.add(Fault(wrong, method="POST", resource="Calls"))
    async with at(account, HASTY) as rest:
        for _ in wrongs:
            with pytest.raises(RestFault) as caught:
                await rest.create_call(NewCall(TO, OWN, URL))
            assert caught.value.kind is FaultKind.UNKNOWN
    assert [seen.fault for seen in account.seen] == list(wrongs)


async def test_what_does_no_harm_is_asked_again() -> None:
    """A text after two refusals that say that nothing was done; a question after any failure."""
    account = an_account()
    account.faults.add(Fault(Wrong.BUSY, method="POST", times=2))
    account.faults.add(Fault(Wrong.DOWN, method="GET"))
    account.faults.add(Fault(Wrong.LOST, method="GET"))
    async with at(account, HASTY) as rest:
        await rest.send_message(TO, OWN, "Hi")
        assert len(await rest.numbers()) == 1
    assert len(account.messages) == 1
    assert [seen.method for seen in account.seen] == ["POST"] * 3 + ["GET"] * 3


async def test_a_wrong_secret_is_told_with_its_remedy() -> None:
    async with at(an_account(), secret="f" * 31 + "0") as rest:
        for ask in (rest.account, rest.numbers):
            with pytest.raises(RestFault, match="TWILIO_API_KEY_SECRET") as caught:
                await ask()
            assert (caught.value.kind, caught.value.code) == (FaultKind.AUTH, 20003)
