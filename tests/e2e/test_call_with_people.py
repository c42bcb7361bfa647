"""`callbridge simulate call --person`: a warm transfer and a text, and what the report tells of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from callbridge import Agent, Destination, Texts
from callbridge.cli.simulate_call import simulate_call
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.simulators.phone import FROM_NUMBER
from callbridge.simulators.voice_model import Answer, Call, Script
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, stack
from e2e.transfers import BRIEFING, SALES, says
from ports import free_port

if TYPE_CHECKING:
    from typer.testing import Result

WORDS = "Harbour Bakery, 1 Quay Street."
AGENT = Agent(
    instructions="Be brief.",
    greeting="Hello.",
    texts=Texts(templates={"address": WORDS}),
    transfers=[Destination("sales", SALES, warm=True, briefing=BRIEFING)],
)
SCRIPT = Script(
    answers=(
        Answer(say=(says("Hello."),), calls=(Call(name="send_text", arguments={"template": "address"}),)),
        Answer(
            after_call=True,
            say=(says("It is sent. I put you through."),),
            calls=(Call(name="transfer", arguments={"to": "sales", "reason": "a price"}),),
        ),
    ),
    default=Answer(say=(says("Sorry."),), calls=(Call(name="end_call"),)),
    after_ms=20,
)


def run_command(url: str, *arguments: str) -> Result:
    """The command, at the account of the tests."""
    command = typer.Typer()
    command.command()(simulate_call)
    ours = ("--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN)
    return CliRunner().invoke(command, [url, *ours, *arguments], env={"COLUMNS": "200"})


def seconds_in(lines: list[str], words: str) -> float:
    """What stands behind these words, on the one line that has them."""
    (line,) = [line for line in lines if words in line]
    return float(line.partition(words)[2].split()[0])


async def test_a_warm_transfer_and_a_text_and_what_everybody_heard() -> None:
    port = str(free_port())
    given = {"CALLBRIDGE_TWILIO_API_URL": f"http://127.0.0.1:{port}"}
    arguments = ("--person", f"{SALES}=takes", "--account-port", port, "--verb-time", "0.05")
    async with stack(SCRIPT, agent=AGENT, environment=given) as running:
        result = await asyncio.to_thread(run_command, running.settings.voice_url, *arguments)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    for told in (
        f"CALLBRIDGE_TWILIO_API_URL=http://127.0.0.1:{port}",
        "Nothing to complain about.",
        f"they heard <Say> {BRIEFING}",
        "they pressed 1",
        f"text to {FROM_NUMBER}, delivered: {WORDS}",
    ):
        assert told in lines, result.output
    # Measured, and so with what a busy machine adds.
    assert 20 <= seconds_in(lines, f"they heard {FROM_NUMBER}, for ") < 30
    assert 2 <= seconds_in(lines, f"{SALES}, rang ") < 12
    assert "20 s of ringing are 1 s here" in result.output
    asked = [line for line in lines if line.startswith("account 201 POST")]
    assert [line.split()[3].rpartition("/")[2] for line in asked] == ["Messages.json", "Calls.json"]
    assert not [line for line in asked if SALES in line or FROM_NUMBER in line], "numbers are masked there"


@pytest.mark.heavy
async def test_without_people_the_account_knows_the_call_and_it_is_said_who_could_be_rung() -> None:
    port = str(free_port())
    given = {"CALLBRIDGE_TWILIO_API_URL": f"http://127.0.0.1:{port}"}
    async with stack(SCRIPT, agent=AGENT, environment=given) as running:
        result = await asyncio.to_thread(run_command, running.settings.voice_url, "--account-port", port)
    (rang,) = [line for line in result.output.splitlines() if f"{SALES}, rang " in line]
    assert rang.endswith(" s: failed"), "the account refuses to ring, as soon as it is asked"
    assert "400 21210" not in result.output, "the account lets the number of a call be shown that it knows"
    assert "Nobody can be rung in this call. Name them: --person" in result.output


def test_what_cannot_be_is_explained_before_anybody_calls() -> None:
    url = "http://127.0.0.1:9/voice"
    wrong = run_command(url, "--person", f"{SALES}=dances")
    with tcp_listener() as taken:
        port = str(taken.getsockname()[1])
        in_use = run_command(url, "--person", f"{SALES}=takes", "--account-port", port)
    assert (wrong.exit_code, in_use.exit_code) == (2, 2)
    assert "'dances' is not what a person does" in wrong.output
    assert f"127.0.0.1:{port} cannot be used for the account" in in_use.output
    assert "--account-port" in in_use.output
