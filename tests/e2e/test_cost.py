"""A day's calls, and what they cost: by our facts, by Twilio's usage records and by OpenAI's costs."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from callbridge.agents.agent import Agent
from callbridge.agents.texting.texts import Texts
from callbridge.cli import app
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import CallerScript, CallSettings, HangUp, Interrupt, Say, WaitForAgent
from callbridge.simulators.phone.exchange import Exchange
from callbridge.simulators.voice_model import Answer, Call, Script, SessionSettings, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, stack, variables
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")

LOCAL, TOLL_FREE, CALLER = "+14155550100", "+18885550100", "+14155550123"
ADMIN = "sk-admin-made-up-for-tests"
TEXTS = Texts(templates={"address": "Harbour Bakery, 1 Quay Street."})


def conversation() -> Script:
    """A greeting, an answer that the caller interrupts, and a text."""
    rng = random.Random("cost")
    text = Call(name="send_text", arguments={"template": "address"})
    return Script(
        answers=(
            Answer(say=(Speech(text="Bakery, hello.", audio=noise(rng, 300)),)),
            Answer(say=(Speech(text="We are open from seven.", audio=noise(rng, 3_000)),), caller="Hours?"),
            Answer(say=(), calls=(text,), caller="Wait, where are you?"),
            Answer(say=(Speech(text="I have sent it.", audio=noise(rng, 200)),), after_call=True),
        ),
        after_ms=20,
    )


def visitor() -> CallerScript:
    rng = random.Random("visitor")
    return CallerScript(
        [
            WaitForAgent(quiet_ms=200),
            Say(noise(rng, 400)),
            Interrupt(400, noise(rng, 400)),
            WaitForAgent(quiet_ms=300),
            HangUp(),
        ]
    )


def said(environment: dict[str, str], *options: str) -> Any:
    ended = CliRunner().invoke(app, ["calls", "cost", "--json", *options], env=environment)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.output)


@pytest.mark.heavy
async def test_our_sum_of_a_day_is_that_of_both_accounts(tmp_path: Path) -> None:
    """Two calls, one over a toll-free number, with an interrupted answer, transcripts and a text each.

    Neither fake shares a line of code, or a price, with the service.
    """
    today = dt.datetime.now(dt.UTC).date().isoformat()
    async with (
        Exchange(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN) as exchange,
        serve_model(conversation(), admin_keys=[ADMIN]) as model,
    ):
        books = AccountSettings(ACCOUNT_SID, AUTH_TOKEN, numbers=(LOCAL, TOLL_FREE), segments_per_s=1_000)
        account = SimulatedAccount(exchange, books)
        async with serve_account(account) as server:
            more = {
                "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
                "CALLBRIDGE_TWILIO_API_URL": server.base_url,
                "OPENAI_ADMIN_KEY": ADMIN,
            }
            agent = Agent(greeting="Bakery, hello.", texts=TEXTS)
            session = SessionSettings()
            async with stack(
                conversation(), agent=agent, realtime_url=model.url, session=session, environment=more
            ) as running:
                for number in account.numbers:
                    number.voice_url = running.settings.voice_url
                    number.status_callback = running.settings.call_status_url
                calls = [
                    account.call_in(CALLER, number.address, visitor(), CallSettings(max_call_s=20))
                    for number in account.numbers
                ]
                reports = await asyncio.gather(*(call.run() for call in calls))
                assert [report.status for report in reports] == ["completed"] * 2
            environment = variables("https://calls.example.com", model.url, **more)
            found = await asyncio.to_thread(said, environment, "--compare", today)
            sums = await asyncio.to_thread(said, environment, "--since", today, "--lines")
    assert found["calls"] == 2
    rows = {row["what"]: row for row in found["rows"]}
    assert rows.keys() == {"model and transcripts", "calls that came in", "media streams", "texts"}
    assert rows["calls that came in"]["ours"] == 8_500 + 22_000
    assert sums["sums"][0]["microdollars"] == sum(row["ours"] for row in rows.values())
    assert 0 < sums["bill"]["unheard_microdollars"] < rows["model and transcripts"]["ours"]
    for row in rows.values():
        assert row["ours"] > 0
        assert abs(row["difference"]) < 20, "no more than what rounding up adds: a microdollar for each line"
