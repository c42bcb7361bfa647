"""`callbridge number` against a simulated account, with a service that answers its probes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from beside import beside
from callbridge.cli import app
from callbridge.simulators.account import (
    AccountSettings,
    Fault,
    FaultKind,
    SimulatedAccount,
    serve_account,
)
from callbridge.simulators.voice_model import Script
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, stack, variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from typer.testing import Result

    from callbridge.simulators.account.phone_number import PhoneNumber
    from e2e.stack import Stack

NUMBER = "+14155550199"
SHOP = "https://shop.example/voice"


@dataclass
class World:
    """A user at a terminal, their account, and their service."""

    account: SimulatedAccount
    service: Stack
    given: dict[str, str] = field(repr=False)

    def run(self, *arguments: str, says: str | None = None, **changes: str) -> Result:
        """One command; `says` is what the user types. Nobody is there to type when it is nothing."""
        environment = self.given | changes | {"COLUMNS": "300"}
        return CliRunner().invoke(app, ["number", *arguments], env=environment, input=says)

    @property
    def number(self) -> PhoneNumber:
        """The first of the account."""
        return self.account.numbers[0]

    @property
    def voice_url(self) -> str:
        """Where calls should go."""
        return self.service.settings.voice_url


@asynccontextmanager
async def account_and_service(account: SimulatedAccount) -> AsyncIterator[tuple[str, Stack]]:
    async with serve_account(account) as server, stack(Script()) as service:
        yield server.base_url, service


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SimulatedAccount, str, Stack]]:
    """One account and one service for all tests of this module."""
    made = AccountSettings(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
    account = SimulatedAccount(settings=made)
    with beside(account_and_service(account)) as (api_url, service):
        yield account, api_url, service


@pytest.fixture
def world(
    running: tuple[SimulatedAccount, str, Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    """An account with one number, as Twilio sells it."""
    monkeypatch.chdir(tmp_path)
    account, api_url, service = running
    account.ledger.numbers.clear()
    account.ledger.complaints.clear()
    account.add_number(NUMBER)
    given = variables(
        service.settings.public_base_url,
        "ws://127.0.0.1:9",
        CALLBRIDGE_TWILIO_API_URL=api_url,
        CALLBRIDGE_STATE_PATH=str(tmp_path / "state.db"),
    )
    return World(account, service, given)


def test_a_number_is_pointed_proven_and_put_back(world: World) -> None:
    """The first five minutes: what is there is shown in full, and nothing of the user's is overwritten."""
    listed = world.run("list").output
    assert f"{NUMBER}     calls, texts   plays Twilio's demo" in listed
    assert "shown in full" in listed
    pointed = world.run("point", NUMBER)
    assert pointed.exit_code == 0, pointed.output
    assert f"https://demo.twilio.com/welcome/voice/ -> {world.voice_url}" in pointed.output
    assert f"ok  {world.voice_url} is answered by this service" in pointed.output
    assert "us1" in pointed.output
    assert (world.number.voice_url, world.number.voice_method) == (world.voice_url, "POST")
    assert world.number.status_callback == world.service.settings.call_status_url
    assert f"{world.voice_url} (POST): this service" in world.run("list").output
    assert world.number.sms_url == "https://demo.twilio.com/welcome/sms/reply/"
    again = world.run("point", NUMBER)
    assert "is as it is to be" in again.output
    assert world.run("point", NUMBER, "--texts").exit_code == 0
    assert world.number.sms_url == world.service.settings.text_url
    restored = world.run("restore", NUMBER)
    assert (restored.exit_code, world.number.voice_url) == (0, "https://demo.twilio.com/welcome/voice/")
    assert (world.number.status_callback, "demo.twilio.com" in world.number.sms_url) == ("", True)
    nothing = world.run("restore", NUMBER)
    assert (nothing.exit_code, "put back already" in nothing.stderr) == (1, True)
    assert world.service.facts == {}
    assert world.account.complaints == []


def test_a_setting_of_the_users_is_asked_about(world: World) -> None:
    """Nobody who answers is no answer; `--yes` is one."""
    world.number.voice_url = SHOP
    for says, status, is_changed in (("n\n", 1, False), (None, 1, False), ("y\n", 0, True)):
        ended = world.run("point", NUMBER, says=says)
        assert "Overwrite what is not ours (voice URL)?" in ended.output
        assert (ended.exit_code, world.number.voice_url != SHOP) == (status, is_changed), ended.output
    world.number.voice_url = "https://another.example/voice"
    ended = world.run("restore", NUMBER, says="n\n")
    assert (ended.exit_code, world.number.voice_url) == (1, "https://another.example/voice")
    assert world.run("restore", NUMBER, "--yes").exit_code == 0
    assert world.number.voice_url == SHOP


def test_a_trunk_is_taken_away_by_force_alone(world: World) -> None:
    world.number.trunk_sid = "TK" + "3" * 32
    refused = world.run("point", NUMBER, "--yes")
    assert (refused.exit_code, "--force" in refused.stderr) == (1, True)
    assert "is answered by the SIP trunk TK3" in world.run("probe", NUMBER).stderr
    forced = world.run("point", NUMBER, "--force", "--yes")
    assert (forced.exit_code, world.number.trunk_sid) == (0, ""), forced.output
    assert world.run("restore", NUMBER).exit_code == 0
    assert world.number.trunk_sid == "TK" + "3" * 32
    # So it is with texts, where they are to come here.
    world.number.trunk_sid, world.number.sms_application_sid = "", "AP" + "4" * 32
    assert world.run("point", NUMBER).exit_code == 0
    assert "--force" in world.run("point", NUMBER, "--texts").stderr
    assert world.run("point", NUMBER, "--texts", "--force", "--yes").exit_code == 0
    assert (world.number.sms_application_sid, world.number.sms_url) == (
        "",
        world.service.settings.text_url,
    )


def test_an_address_that_nobody_answers_at_is_told_after_all(world: World) -> None:
    """The number is pointed as was asked for; the exit status says that no call would be answered."""
    ended = world.run("point", NUMBER, "--url", "http://127.0.0.1:9/twilio/voice")
    assert ended.exit_code == 1
    assert "http://127.0.0.1:9/twilio/voice cannot be reached" in ended.output
    assert world.number.voice_url == "http://127.0.0.1:9/twilio/voice"
    probed = world.run("probe", NUMBER)
    assert (probed.exit_code, "cannot be reached" in probed.output) == (1, True)
    assert world.run("probe").exit_code == 0


def test_a_number_is_searched_for_bought_and_pointed(world: World) -> None:
    """It asks before it spends money."""
    found = world.run("available", "--area-code", "512", "--limit", "2").output
    assert "+15125550100" in found
    assert "Austin, TX, US" in found
    assert "needs an address: any" in world.run("available", "--country", "gb", "--kind", "mobile").output
    assert "none like that" in world.run("available", "--country", "zz").output
    for says in ("n\n", None):
        refused = world.run("buy", "--area-code", "512", says=says)
        assert (refused.exit_code, len(world.account.numbers)) == (1, 1)
        assert "Buy +15125550100? Twilio bills it each month" in refused.output
    bought = world.run("buy", "--area-code", "512", says="y\n")
    assert bought.exit_code == 0, bought.output
    assert world.account.numbers[-1].address == "+15125550100"
    assert world.account.numbers[-1].voice_url == world.voice_url
    named = world.run("buy", "+1 512 555 0107", "--yes")
    assert named.exit_code == 0, named.output
    assert [number.address for number in world.account.numbers[1:]] == ["+15125550100", "+15125550107"]


def test_nothing_is_bought_twice(world: World) -> None:
    """The answer is lost, and the number is there: it is found, and used."""
    world.account.faults.add(Fault(FaultKind.FAILED, method="POST", resource="IncomingPhoneNumbers"))
    bought = world.run("buy", "--area-code", "512", "--yes")
    assert bought.exit_code == 0, bought.output
    assert [number.address for number in world.account.numbers] == [NUMBER, "+15125550100"]
    assert world.account.numbers[-1].voice_url == world.voice_url


def test_faults_are_told_with_a_remedy(world: World) -> None:
    """And never with a traceback."""
    for arguments, changes, words in (
        (["list"], {"TWILIO_AUTH_TOKEN": "another-token-of-a-test"}, "TWILIO_AUTH_TOKEN"),
        (["point", "+14155550100"], {}, "no number of this account and region"),
        (["point", "0199"], {}, "write it as +14155550100"),
        (["point", NUMBER, "--url", "nonsense"], {}, "--url nonsense must"),
        (["buy", "+15005550000", "--yes"], {}, "21422"),
    ):
        ended = world.run(*arguments, **changes)
        assert ended.exit_code == 1, ended.output
        assert words in ended.stderr
    # An account that is real needs an address that is public.
    for told in ([], ["--url", "http://127.0.0.1:8080"]):
        real = world.run("point", NUMBER, *told, CALLBRIDGE_TWILIO_API_URL="")
        assert (real.exit_code, "no address that Twilio reaches" in real.stderr) == (1, True)


def test_a_trial_account_is_told_what_it_cannot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.account.ledger.numbers.clear()
    monkeypatch.setattr(world.account.ledger, "type", "Trial")
    assert "There is none." in world.run("list").output
    ended = world.run("buy", "--area-code", "512", says="n\n")
    assert "trial account" in ended.output
    assert world.account.numbers == []
