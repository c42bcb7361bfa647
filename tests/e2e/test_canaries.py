"""One call with a canary in every input, and every output that it leaves searched for them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import BaseModel

import canaries
from callbridge import Agent
from callbridge.call.facts import CallClosed
from callbridge.cli.forget import forget_caller
from callbridge.records.database import Database
from callbridge.records.reading import Records
from callbridge.records.sealing import Seal
from callbridge.server.http.control import control_app, control_key
from callbridge.simulators.phone import Incoming, Press, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Failure, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.state.forgetting import journal_in_file
from e2e.stack import stack
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callbridge.simulators.phone import Step
    from e2e.stack import FinishedCall, Log, Stack

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RNG = random.Random("canaries")
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SIP = f"sip:{canaries.NUMBER}@pbx.example.com"
PLANTED = {
    *("the caller's number", "the caller's words", "the agent's words", "a tool's arguments"),
    *("a tool's result", "a header", "keys"),
}
"""What is in the records where words and numbers are kept. The number of a card is not, nor any secret."""


class Order(BaseModel):
    """What the caller wants."""

    thing: str


def agent() -> Agent:
    made = Agent(greeting=canaries.ANSWER)
    made.capture(Order)

    @made.tool
    def look_up(what: str) -> str:
        """Looks it up."""
        return f"{canaries.RESULT}: {what}, {canaries.CARD}"

    @made.tool
    def break_off(what: str) -> str:
        """Fails, and says too much."""
        raise ValueError(f"{what} {canaries.WORDS} {canaries.NUMBER} {canaries.TOKEN}")

    return made


def says(words: str) -> Speech:
    return Speech(text=words, audio=noise(RNG, 120))


SAID = f"{canaries.WORDS}, {canaries.CARD}"
ASKED = {"what": canaries.GIVEN}
SAID = f"{canaries.WORDS}, {canaries.CARD}"
ASKS = (
    *(Call(name=name, arguments=ASKED) for name in ("look_up", "break_off", "nothing")),
    Call(name="save_order", arguments={"thing": canaries.GIVEN}),
)
FAILS = Answer(status="failed", error=Failure(message=f"no {canaries.NUMBER}, {canaries.API_KEY}"))


def script(*, with_keys: bool) -> Script:
    return Script(
        answers=(
            Answer(say=(says(canaries.ANSWER),)),
            *([Answer(say=(says("Thank you."),))] if with_keys else []),
            Answer(calls=ASKS, caller=SAID),
            *([FAILS] if with_keys else []),
            Answer(say=(says(canaries.ANSWER),), calls=(Call(name="end_call"),)),
        ),
        after_ms=10,
        answers_go_on=True,
    )


TALKS: list[Step] = [WaitForAgent(quiet_ms=60), Say(noise(RNG, 200)), WaitForEnd()]
PRESSES: list[Step] = [WaitForAgent(quiet_ms=60), Press(canaries.KEYS + "#", every_ms=20)]


async def called(running: Stack, steps: list[Step]) -> FinishedCall:
    """One call with all of it."""
    incoming = Incoming(
        caller_name=canaries.HEADER[:15],
        sip_headers={"X-Account": canaries.HEADER},
        more={"Nobody-Knows": canaries.HEADER},
    )
    call = await running.call(steps, from_number=SIP, incoming=incoming, query=f"who={canaries.HEADER}")
    assert await until(lambda: bool(call.of(CallClosed)))
    return call


async def answers_of(running: Stack, call_sid: str) -> str:
    """What the control listener says, when the call is on record."""
    assert running.desk.records is not None
    records = Records(running.desk.records.database)
    assert await until(lambda: [call.state for call in records.calls()] == ["ended"])
    headers = {"Authorization": f"Bearer {control_key(running.settings)}"}
    transport = httpx.ASGITransport(control_app(running.desk))
    paths = ("/readyz", "/calls", f"/calls/{call_sid}", f"/calls/{call_sid}/facts", "/nowhere")
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        answers = [await client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404]
    return "\n".join(answer.text for answer in answers)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place for records. What is kept in them on purpose is no leak of this session."""
    yield tmp_path
    for file in tmp_path.glob("records.db*"):
        file.unlink()


@pytest.mark.parametrize(
    ("settings", "told", "written"),
    [
        ({}, set(), set()),
        pytest.param(
            {"CALLBRIDGE_KEEP_WORDS": "true", "CALLBRIDGE_KEEP_NUMBERS": "true"},
            PLANTED,
            PLANTED,
            marks=pytest.mark.heavy,
        ),
        pytest.param(
            {
                "CALLBRIDGE_KEEP_WORDS": "true",
                "CALLBRIDGE_KEEP_NUMBERS": "true",
                "CALLBRIDGE_RECORDS_KEY": KEY,
            },
            PLANTED,
            set(),
            marks=pytest.mark.heavy,
        ),
    ],
    ids=["by default", "kept", "kept and encrypted"],
)
async def test_what_goes_in_comes_out_where_it_may(
    folder: Path, log: Log, settings: dict[str, str], told: set[str], written: set[str]
) -> None:
    """By default nowhere; kept, in the records alone; encrypted, to who reads them by the key."""
    given = settings | {"CALLBRIDGE_STATE_PATH": str(folder / "state.db")}
    is_long = bool(settings)
    async with stack(script(with_keys=is_long), agent=agent(), environment=given) as running:
        call = await called(running, [*(PRESSES if is_long else []), *TALKS])
        answered = await answers_of(running, call.sid)
    if "CALLBRIDGE_RECORDS_KEY" in settings:
        pytest.importorskip("cryptography")
    seal = Seal((KEY,) if "CALLBRIDGE_RECORDS_KEY" in settings else ())
    with contextlib.closing(Database(f"sqlite:///{folder}/records.db", seal=seal)) as database:
        records = Records(database)
        story = records.story(call.sid)
        facts = repr(records.facts(call.sid))
    assert story is not None
    assert (story.state, story.caller_key != "") == ("ended", True)
    assert {use.name for turn in story.turns for use in turn.tools} >= {"look_up", "break_off"}
    assert set(canaries.found_in(facts)) == told
    assert set(canaries.found_in(answered)) <= told
    files = set(canaries.leaks(folder))
    assert {line.partition(":")[0] for line in files} == written
    assert not [line for line in files if "records.db" not in line]
    assert canaries.found_in(log.text) == []


@pytest.mark.heavy
async def test_a_caller_is_forgotten_while_the_service_runs(folder: Path, log: Log) -> None:
    """By the address that Twilio told; of it all, what is written down in clear is gone from every file."""
    given = {
        "CALLBRIDGE_STATE_PATH": str(folder / "state.db"),
        "CALLBRIDGE_KEEP_WORDS": "true",
        "CALLBRIDGE_KEEP_NUMBERS": "true",
        "CALLBRIDGE_CALLER_MEMORY_DAYS": "7",
    }
    async with stack(script(with_keys=False), agent=agent(), environment=given) as running:
        call = await called(running, TALKS)
        await answers_of(running, call.sid)
        assert set(canaries.leaks(folder)) != set()
        # What is dropped of a journal in the moment after it the service overwrites within two minutes.
        assert await until(lambda: journal_in_file(folder / "state.db") == [])
        said, is_complete = await asyncio.to_thread(forget_caller, running.settings, SIP)
        assert is_complete, said
        assert "1 call on record" in said
        assert await until(lambda: not set(canaries.leaks(folder)))
        assert await running.desk.state.flush()
        assert running.desk.records is not None
        assert running.desk.records.trouble is None
