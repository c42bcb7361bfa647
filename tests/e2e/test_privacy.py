"""What is left of a call in files, and a call whose log nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
import structlog

from callbridge import Agent, Destination
from callbridge.call.facts import CallClosed, CallerWordsCame, TurnEnded
from callbridge.call.telephone_facts import TransferAsked
from callbridge.observe.redaction import masked_number
from callbridge.simulators.phone import HangUp, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.people import Answers, Person
from callbridge.simulators.voice_model import Answer, Call, Script, serve_model
from callbridge.simulators.voice_model import Say as Speech
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import DETAILS, OVER
from e2e.commands import COMMAND
from e2e.processes import services
from e2e.stack import CONNECTED_AND_ENDED, stack, variables
from e2e.transfers import ASKING, SALES, WARM, Way, people_behind, says
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callbridge.simulators.phone import Step
    from e2e.stack import Log

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RNG = random.Random("privacy")
CALLER, CALLED = "+447700900123", "sip:front.desk@pbx.example.com"
CALLER_SAYS, AGENT_SAYS = "My pin is quite secret.", "I shall keep it to myself."
WELCOME = Answer(say=(Speech(text="Welcome.", audio=noise(RNG, 200)),))
KEEPS_IT = Speech(text=AGENT_SAYS, audio=noise(RNG, 200))
CONFIDES = Answer(say=(KEEPS_IT,), calls=(Call(name="end_call"),), caller=CALLER_SAYS)
SCRIPT = Script(answers=(WELCOME, CONFIDES), after_ms=20)
STEPS: list[Step] = [WaitForAgent(quiet_ms=100), Say(noise(RNG, 300)), WaitForEnd()]


def text_in(folder: Path) -> bytes:
    """The bytes of all files."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_of_a_call_that_is_over_no_word_and_no_number_is_left(tmp_path: Path, log: Log) -> None:
    """Neither in the files of the state nor in the log."""
    state = SqliteState(tmp_path / "state.db")
    async with stack(SCRIPT, state=state) as running:
        call = await running.call(STEPS, from_number=CALLER, to_number=CALLED)
        assert await until(lambda: bool(call.of(CallClosed)))
        kinds = {event.kind for event in await state.events(call.sid)}
    assert call.verbs == CONNECTED_AND_ENDED
    assert kinds >= {"stream_started", "stream_ended", OVER}
    assert not kinds & DETAILS
    assert AGENT_SAYS in [turn.agent for turn in call.of(TurnEnded)]
    assert CALLER_SAYS in [fact.caller for fact in call.of(TurnEnded) + call.of(CallerWordsCame)]
    for secret in (CALLER_SAYS, AGENT_SAYS, CALLER[1:], "front.desk"):
        assert secret.encode() not in text_in(tmp_path)
        assert secret not in log.text


REASON = "the price of seven blue bicycles"


@pytest.mark.parametrize(
    ("way", "person"),
    [
        (WARM, Person(presses=("1",), talks_s=5.0)),
        pytest.param(ASKING, Person(answers=Answers.BUSY), marks=pytest.mark.heavy),
    ],
)
async def test_of_who_was_put_through_no_word_and_no_number_is_left(
    tmp_path: Path, log: Log, way: Way, person: Person
) -> None:
    """Neither of the person, nor of what they were told of the caller."""
    state = SqliteState(tmp_path / "state.db")
    told = Destination("sales", SALES, asks=True, warm=way == WARM, briefing="{caller} wants {reason}.")
    wants = Call(name="transfer", arguments={"to": "sales", "reason": REASON})
    puts_through = Script(
        answers=(Answer(say=(says("One moment."),), calls=(wants,)), CONFIDES),
        after_ms=20,
        answers_go_on=True,
    )
    agent = Agent(transfers=[told])
    async with people_behind(way, person, script=puts_through, agent=agent, state=state) as line:
        call = await line.call(from_number=CALLER)
        assert await until(lambda: bool(call.of(CallClosed)))
        assert len(await line.all_ended(call)) == 1
        assert REASON in repr(call.of(TransferAsked))
        kinds = {event.kind for event in await state.events(call.sid)}
    assert kinds >= {"transfer_ended", OVER}
    assert not kinds & DETAILS
    for secret in (REASON, AGENT_SAYS, CALLER[1:], SALES[1:], "7, 7, 0, 0"):
        assert secret.encode() not in text_in(tmp_path), secret
        assert secret not in log.text, secret


@pytest.mark.parametrize("caller", ["+447700900123", "sip:anna.lee@pbx.example.com", "client:anna.lee"])
async def test_numbers_are_masked_whoever_set_up_the_logging(caller: str) -> None:
    """In an app of the user's own nothing of ours may stand between a line and where it is written."""
    async with stack(SCRIPT) as running:
        with structlog.testing.capture_logs() as logs:
            call = await running.call([WaitForAgent(quiet_ms=100), HangUp()], from_number=caller)
            assert await until(lambda: bool(call.of(CallClosed)))
    masked = {line["caller"] for line in logs if line["event"] in {"call_offered", "stream_started"}}
    assert masked == {masked_number(caller)}
    assert not any(secret in repr(logs) for secret in (caller, "7700900", "anna.lee", "5550100002"))


# --- The log -----------------------------------------------------------------------------------------


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that is full, and that nobody reads."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writes, b"\n" * 512)
    os.set_blocking(writes, True)
    yield writes
    for end in (reads, writes):
        os.close(end)


@pytest.mark.heavy
@pytest.mark.parametrize("stderr", ["unread", "closed"])
async def test_a_call_needs_nobody_who_reads_the_log(tmp_path: Path, unread: int, stderr: str) -> None:
    closed = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    command = (*(closed if stderr == "closed" else ()), *COMMAND, "serve")
    async with (
        serve_model(SCRIPT) as model,
        services(tmp_path, variables("", model.url), command=command, stderr=unread) as (service,),
    ):
        call = await service.line(model).call(STEPS)
        assert call.report.is_clean, call.report
        assert call.verbs == CONNECTED_AND_ENDED
        service.signal(signal.SIGTERM)
        assert await asyncio.wait_for(service.process.wait(), 20) == 0
