"""`callbridge simulate account`: what it prints to be copied, and that it shows nobody's number."""

from __future__ import annotations

import asyncio
import io
import socket

import httpx
import typer
from rich.console import Console
from typer.testing import CliRunner

from callbridge.cli.simulate_account import serve_shown, simulate_account
from callbridge.simulators.account import AccountSettings
from leftovers import until

APP = typer.Typer()
APP.command()(simulate_account)


def test_a_port_that_is_taken_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(APP, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert "cannot be used" in result.output
    assert "try --port 0" in " ".join(result.output.split())


def test_a_person_who_does_what_nobody_can_is_explained() -> None:
    result = CliRunner().invoke(APP, ["--port", "0", "--person", "+14155550199=dances"])
    assert result.exit_code == 2
    assert "MANNER is one of takes, busy, no-answer" in " ".join(result.output.split())


async def test_the_account_of_the_settings_is_served_and_its_token_not_shown() -> None:
    """`.env` may hold that of a real account."""
    out = io.StringIO()
    settings = AccountSettings(account_sid="AC" + "7" * 32, auth_token="8" * 32)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, httpx.AsyncClient() as http:
        serving = tasks.create_task(serve_shown(Console(file=out), settings, {}, "127.0.0.1", 0))
        assert await until(lambda: serving.done() or "CALLBRIDGE_TWILIO_API_URL=" in out.getvalue())
        told = dict(line.split("=", 1) for line in out.getvalue().splitlines() if "=" in line)
        url = f"{told['CALLBRIDGE_TWILIO_API_URL']}/2010-04-01/Accounts/{settings.account_sid}.json"
        found = await http.get(url, auth=(settings.account_sid, settings.auth_token))
        assert found.status_code == 200
        serving.cancel()
    assert settings.auth_token not in out.getvalue()


async def test_what_it_prints_is_all_that_a_client_needs() -> None:
    out = io.StringIO()
    settings = AccountSettings(type="Trial", numbers=("+14155550111",))
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, httpx.AsyncClient() as http:
        serving = tasks.create_task(serve_shown(Console(file=out), settings, {}, "127.0.0.1", 0))
        assert await until(lambda: "CALLBRIDGE_TWILIO_API_URL=" in out.getvalue())
        told = dict(line.split("=", 1) for line in out.getvalue().splitlines() if "=" in line)
        account, token = told["TWILIO_ACCOUNT_SID"], told["TWILIO_AUTH_TOKEN"]
        url = f"{told['CALLBRIDGE_TWILIO_API_URL']}/2010-04-01/Accounts/{account}"
        assert (await http.get(f"{url}.json", auth=(account, token))).json()["type"] == "Trial"
        form = {"To": "+14155550199", "From": "+14155550111", "Body": "Your secret words"}
        refused = await http.post(f"{url}/Messages.json", auth=(account, token), data=form)
        assert refused.json()["code"] == 21608
        serving.cancel()
    shown = out.getvalue()
    assert "400 21608 POST" in shown
    assert "To=+********99" in shown
    assert "5550199" not in shown
    assert "secret" not in shown
