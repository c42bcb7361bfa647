"""Twilio's half of `check --live`, asked of a simulated account whose number leads to a running service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from beside import beside
from callbridge.server.config.findings import Level
from callbridge.server.config.settings import read_settings
from callbridge.server.errands.twilio_check import ask_twilio
from callbridge.simulators.account import AccountSettings, ApiKey, SimulatedAccount, serve_account
from callbridge.simulators.voice_model import Script
from callbridge.telephony.rest.client import Patience
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, stack, variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from callbridge.server.config.findings import Finding
    from callbridge.server.config.settings import Settings
    from e2e.stack import Stack

NUMBER = "+14155550199"
KEY = ApiKey("SK" + "2" * 32, "secret-of-a-key-0001", "restricted", frozenset({"IncomingPhoneNumbers"}))
WITH_KEY = {"TWILIO_API_KEY_SID": KEY.sid, "TWILIO_API_KEY_SECRET": KEY.secret}


@pytest.fixture(scope="module")
def service() -> Iterator[Stack]:
    """One that runs beside all tests of this module: it is only probed."""
    with beside(stack(Script())) as running:
        yield running


@asynccontextmanager
async def pointed(service: Stack, **changes: str) -> AsyncIterator[tuple[SimulatedAccount, Settings]]:
    """An account whose number leads to a service that runs, and the settings of that service."""
    made = AccountSettings(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, numbers=(NUMBER,), keys=(KEY,))
    account = SimulatedAccount(settings=made)
    async with serve_account(account) as server:
        number, own = account.numbers[0], service.settings
        number.voice_url, number.status_callback = own.voice_url, own.call_status_url
        number.voice_fallback_url = "https://handler.twilio.com/twiml/EH1"
        given = variables(own.public_base_url, "ws://127.0.0.1:9", CALLBRIDGE_TWILIO_API_URL=server.base_url)
        yield account, read_settings(given | changes)


async def asked(settings: Settings, **more: Any) -> list[Finding]:
    """What is found; each fault has a remedy."""
    found = await ask_twilio(settings, **({"sends_texts": False} | more))
    assert all(finding.remedy for finding in found if finding.level is not Level.OK)
    return found


def faults(found: list[Finding]) -> list[str]:
    return [finding.what for finding in found if finding.level is not Level.OK]


async def test_all_is_well(service: Stack) -> None:
    """One line for each thing that was looked at; nothing is changed."""
    async with pointed(service) as (account, settings):
        found = await asked(settings)
        methods = {seen.method for seen in account.seen}
    assert [finding.what.partition(" after ")[0] for finding in found] == [
        "the account is a full one, and active",
        f"calls to {NUMBER} are answered here, by POST",
        f"{settings.voice_url} is answered by this service,",
        "Twilio has logged nothing about this address in the last day",
        "the clock is as Twilio's, to within 5 s",
    ]
    assert methods <= {"GET", "HEAD"}


async def test_what_twilio_has_is_told_together(service: Stack) -> None:
    """A trial account, another service's address, errors: in one run."""
    async with pointed(service) as (account, settings):
        account.ledger.type = "Trial"
        account.numbers[0].voice_url = "https://shop.example/voice"
        account.ledger.complain(31920, "no upgrade", "CA" + "1" * 32, url=settings.voice_url)
        account.ledger.complain(11200, "another one", url="https://shop.example/voice")
        found = await asked(settings)
    told = faults(found)
    assert [words in what for words, what in zip(("trial account", NUMBER, "31920"), told, strict=True)] == [
        True
    ] * 3, told
    # The address that the number should have is asked all the same.
    assert any("is answered by this service" in finding.what for finding in found)


@pytest.mark.parametrize("given", [WITH_KEY, {"TWILIO_AUTH_TOKEN": "another-token-of-a-test"}])
async def test_what_may_not_be_asked_is_told(given: dict[str, str], service: Stack) -> None:
    """A key with few rights tells what it may. A wrong token is told once; the webhook refuses it, too."""
    async with pointed(service, **given) as (_, settings):
        found = await asked(settings)
    levels = {finding.level for finding in found}
    if given is WITH_KEY:
        assert Level.ERROR not in levels
        assert [what.startswith(f"the API key {KEY.sid} may not read about") for what in faults(found)] == [
            True,
            True,
        ]
        assert any(NUMBER in finding.what for finding in found)
    else:
        refused, unsigned = faults(found)
        assert "TWILIO_AUTH_TOKEN" in refused
        assert "403" in unsigned


async def test_a_number_of_another_region_is_not_seen(service: Stack) -> None:
    async with pointed(service) as (account, settings):
        account.ledger.numbers.clear()
        found = await asked(settings, sends_texts=True)
    assert "no number in region us1" in faults(found)[0]


async def test_nobody_is_there() -> None:
    """Neither Twilio nor the service: said once each, within a moment, and no call is kept away by it."""
    given = variables(
        "http://127.0.0.1:9", "ws://127.0.0.1:9", CALLBRIDGE_TWILIO_API_URL="http://127.0.0.1:9"
    )
    found = await asked(read_settings(given), patience=Patience(timeout_s=2, pauses_s=()))
    assert {finding.level for finding in found} == {Level.WARNING}
    assert any("Fine before the service is started." in finding.remedy for finding in found)
