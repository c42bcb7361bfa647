"""`callbridge dev` as a user runs it: alone on a laptop, and at a number of a (simulated) Twilio account."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge.simulators.account import AccountSettings, Fault, FaultKind, SimulatedAccount, serve_account
from callbridge.simulators.phone import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CallerScript,
    CallReport,
    CallSettings,
    Interrupt,
    place_call,
)
from e2e.dev_runs import dev
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.simulators.account import AccountServer

NUMBER = "+14155550142"
BEFORE = "https://calls.example.com/answer"
"""Where the number leads to without us."""


@contextlib.asynccontextmanager
async def account() -> AsyncIterator[tuple[SimulatedAccount, dict[str, str]]]:
    """An account with one number, and the variables that lead to it."""
    simulated = SimulatedAccount(settings=AccountSettings(numbers=(NUMBER,)))
    simulated.numbers[0].voice_url = BEFORE
    async with serve_account(simulated) as server:
        yield simulated, of_account(server)


def of_account(server: AccountServer) -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "CALLBRIDGE_TWILIO_API_URL": server.base_url,
    }


async def called(url: str) -> CallReport:
    """A simulated phone listens to the greeting for a moment, and hangs up."""
    caller = CallerScript([Interrupt(100, b"")])
    return await place_call(url, caller, CallSettings(max_call_s=20))


@pytest.mark.heavy
async def test_a_number_leads_here_until_ctrl_c_and_back_where_it_led_before(tmp_path: Path) -> None:
    """Tunnel, proof, number, a call through it, two presses of Ctrl-C, and nothing is left."""
    async with account() as (simulated, variables):
        (number,) = simulated.numbers
        arguments = ("--phone", "--yes", "--port", str(free_port()))
        async with dev(tmp_path, *arguments, **variables) as running:
            await running.until(f"Call {NUMBER}.")
            assert number.voice_url.startswith("http://127.0.0.1:")
            assert number.status_callback == number.voice_url.replace("voice", "call-status")
            report = await called(number.voice_url)
            assert report.is_clean, report
            assert report.was_agent_heard
            await calls_from_the_page(running.output, number.voice_url)
            running.process.send_signal(signal.SIGINT)
            assert await running.ends() == 0, running.output
        assert (number.voice_url, number.status_callback) == (BEFORE, "")
    assert f"{NUMBER} is put back where it led before." in running.output
    assert "OPENAI_API_KEY is not set" in running.output
    assert "stream_started" in running.output, "transcripts are shown"
    assert AUTH_TOKEN not in running.output
    assert "Traceback" not in running.output
    assert not list((tmp_path / "data").rglob("*.json")), "nothing is left to be put back"


async def calls_from_the_page(output: str, voice_url: str) -> None:
    """The page is on this machine, and not behind the tunnel; its calls go to the service all the same."""
    address = output.partition("talk      ")[2].split()[0]
    here = address.partition("/?")[0]
    async with httpx.AsyncClient(headers={"Origin": here}) as page:
        tunnel = voice_url.partition("/twilio")[0]
        assert (await page.get(f"{tunnel}/talk")).status_code == 404
        assert (await page.get(f"{here}/talk")).status_code == 403
        await page.get(address)
        assert NUMBER in (await page.get(f"{here}/talk")).text
        call = await page.post(f"{here}/talk/calls", json={"caller": "+14155550199", "called": NUMBER})
        assert call.json()["do"] == "stream", call.text
        over = await page.post(f"{here}/talk/calls/{call.json()['call_sid']}/hang-up")
        assert over.json() == {
            "do": "over",
            "call_sid": call.json()["call_sid"],
            "notes": [],
            "status": "completed",
        }


@pytest.mark.heavy
async def test_without_keys_it_runs_against_simulators_and_says_so(tmp_path: Path) -> None:
    async with dev(tmp_path, "--port", str(free_port())) as running:
        line = await running.until("callbridge simulate call")
        report = await called(next(word for word in line.split() if word.startswith("http")))
        assert report.is_clean, report
        assert await running.ends(signal.SIGTERM) == 0
    for words in (
        "simulated, in this process: OPENAI_API_KEY is not set",
        "made up: TWILIO_ACCOUNT_SID is not set",
    ):
        assert words in running.output


@pytest.mark.heavy
async def test_what_a_crash_has_left_is_put_back_at_the_next_start(tmp_path: Path) -> None:
    """Also where it is another tunnel by then; and `--restore` does only that."""
    async with account() as (simulated, variables):
        (number,) = simulated.numbers
        for restart in (("--restore",), ("--phone", NUMBER, "--yes")):
            async with dev(tmp_path, "--phone", "--yes", **variables) as running:
                await running.until(f"Call {NUMBER}.")
                await running.ends(signal.SIGKILL)
            left = number.voice_url
            assert left != BEFORE
            async with dev(tmp_path, *restart, **variables) as running:
                await running.until(f"{NUMBER} was still pointed at an earlier run")
                if restart != ("--restore",):
                    await running.until(f"Call {NUMBER}.")
                    assert number.voice_url not in {BEFORE, left}
                    assert await running.ends() == 0
                else:
                    assert await running.ended() == 0
            assert number.voice_url == BEFORE


@pytest.mark.heavy
async def test_a_tunnel_that_dies_ends_it_and_the_number_goes_back(tmp_path: Path) -> None:
    async with account() as (simulated, variables), dev(tmp_path, "--phone", "--yes", **variables) as running:
        await running.until(f"Call {NUMBER}.")
        kill(tmp_path / "pid")
        assert await running.ended() == 1
        assert simulated.numbers[0].voice_url == BEFORE
    assert "the tunnel is gone: cloudflared has ended with status -9" in running.output


def kill(pid_file: Path) -> None:
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


@pytest.mark.heavy
@pytest.mark.parametrize(("presses", "status"), [(1, 1), (2, 130)])
async def test_twilio_that_hangs_is_not_waited_for_and_it_is_said_what_to_run(
    presses: int, status: int, tmp_path: Path
) -> None:
    """5 s at most, and none for who presses Ctrl-C again; the next start puts the number back."""
    async with account() as (simulated, variables), dev(tmp_path, "--phone", "--yes", **variables) as running:
        await running.until(f"Call {NUMBER}.")
        simulated.faults.add(Fault(FaultKind.HANG))
        running.process.send_signal(signal.SIGINT)
        await running.until("stopped")
        for _ in range(presses - 1):
            await asyncio.sleep(0.3)  # As fingers do.
            running.process.send_signal(signal.SIGINT)
        # Who has pressed it again has the status of that. Else it would wait for 15 s.
        async with asyncio.timeout(12):
            assert await running.ended() == status
        assert simulated.numbers[0].voice_url != BEFORE
    assert f"{NUMBER} still leads here: " in running.output
    assert "Run: callbridge dev --restore" in running.output
    assert "Traceback" not in running.output
    assert list((tmp_path / "data").rglob("*.json"))


@pytest.mark.heavy
async def test_a_trial_account_is_told_that_it_cannot(tmp_path: Path) -> None:
    trial = SimulatedAccount(settings=AccountSettings(numbers=(NUMBER,), type="Trial"))
    async with (
        serve_account(trial) as server,
        dev(tmp_path, "--phone", "--yes", **of_account(server)) as running,
    ):
        assert await running.ended() == 1
    assert "this is a trial account: Twilio takes <Stream> out of every answer" in running.output


@pytest.mark.heavy
async def test_what_somebody_sets_meanwhile_stays(tmp_path: Path) -> None:
    async with account() as (simulated, variables), dev(tmp_path, "--phone", "--yes", **variables) as running:
        (number,) = simulated.numbers
        await running.until(f"Call {NUMBER}.")
        number.sms_url = "https://texts.example.com/"
        assert await running.ends() == 0
        assert (number.voice_url, number.sms_url) == (BEFORE, "https://texts.example.com/")
    assert f"{NUMBER} is put back, but for what somebody has set meanwhile: SMS URL." in running.output


@pytest.mark.heavy
async def test_a_number_that_twilio_does_not_change_ends_it_and_nothing_is_left(tmp_path: Path) -> None:
    async with account() as (simulated, variables):
        simulated.faults.add(Fault(FaultKind.BUSY, method="POST", resource="IncomingPhoneNumbers", times=9))
        async with dev(tmp_path, "--phone", "--yes", **variables) as running:
            assert await running.ended() == 1
        assert simulated.numbers[0].voice_url == BEFORE
    assert "Twilio" in running.said[-1] + running.said[-2], running.output
    assert "Traceback" not in running.output
    assert not list((tmp_path / "data").rglob("*.json"))


@pytest.mark.heavy
async def test_a_number_that_is_in_use_is_not_taken_without_asking(tmp_path: Path) -> None:
    async with account() as (simulated, variables), dev(tmp_path, "--phone", **variables) as running:
        assert await running.ended() == 1
        assert simulated.numbers[0].voice_url == BEFORE
    assert f"{NUMBER} is in use (voice URL {BEFORE}). Point it here, until Ctrl-C?" in running.output
