"""What is on record of a call that was made: while it is live, when it is over, and when a disk or a database
was in its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import stat
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge import Agent
from callbridge.call.facts import CallClosed, NotKept
from callbridge.call.outcomes import ToolOutcome
from callbridge.records.call_list import Filter
from callbridge.records.database import Database
from callbridge.records.reading import Records
from callbridge.server.http.control import REASONS_PATH, control_app, control_key
from callbridge.simulators.phone import Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, hello_and_goodbye, stack
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import postgres
    from callbridge.server.process.keeping.records import RecordKeeping
    from callbridge.simulators.phone import Step
    from e2e.stack import Stack

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RNG = random.Random("records")
CALLER = "+14155550123"
WELCOME = Answer(say=(Speech(text="Welcome.", audio=noise(RNG, 200)),))
BOOKS = Answer(calls=(Call(name="book"),), caller="At nine, please.")
GOODBYE = Answer(say=(Speech(text="Goodbye.", audio=noise(RNG, 200)),), calls=(Call(name="end_call"),))
STEPS: list[Step] = [WaitForAgent(quiet_ms=100), Say(noise(RNG, 300)), WaitForEnd()]


def files(folder: Path) -> bytes:
    """The bytes of all files."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


@contextlib.contextmanager
def opened(url: str) -> Iterator[Records]:
    with contextlib.closing(Database(url)) as database:
        yield Records(database)


@pytest.mark.parametrize("keeps", [True, pytest.param(False, marks=pytest.mark.heavy)])
async def test_a_call_is_on_record_with_words_and_numbers_where_they_are_kept(
    tmp_path: Path, *, keeps: bool
) -> None:
    kept = {"CALLBRIDGE_KEEP_WORDS": str(keeps).lower(), "CALLBRIDGE_KEEP_NUMBERS": str(keeps).lower()}
    agent = Agent()

    @agent.tool
    def book() -> str:
        """Book it."""
        return "booked"

    path = tmp_path / "records.db"
    script = Script(answers=(WELCOME, BOOKS, GOODBYE), after_ms=20)
    environment = {"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"), **kept}
    async with stack(script, agent=agent, environment=environment) as running:
        call = await running.call(STEPS, from_number=CALLER)
        assert await until(lambda: bool(call.of(CallClosed)))
    assert call.verbs == CONNECTED_AND_ENDED
    with opened(f"sqlite:///{path}") as records:
        (summary,) = records.calls(Filter(state="ended", words="nine please" if keeps else ""))
        story = records.story(call.sid)
        numbers = {row.source: row.number for row in records.facts(call.sid)}
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
    assert (summary.call_sid, summary.end_reason, summary.tools) == (call.sid, "agent_hangup", 2)
    assert summary.caller == (CALLER if keeps else "+********23")
    assert len(summary.caller_key) == 64
    assert story is not None
    assert [turn.heard for turn in story.turns][-1] == ("Goodbye." if keeps else "")
    assert [use.name for turn in story.turns for use in turn.tools] == ["book", "end_call"]
    assert numbers[call.of(CallClosed)[0].source] == call.of(CallClosed)[0].number
    everything = files(tmp_path)
    assert (b"At nine" in everything) == (CALLER.encode() in everything) == keeps


@pytest.mark.heavy
async def test_a_disk_that_takes_nothing_holds_up_no_call_and_only_what_cannot_be_undone(
    tmp_path: Path,
) -> None:
    """Another program holds the file, so that every write waits. It is on record that nothing was in time."""
    agent, locked = Agent(), sqlite3.connect(tmp_path / "state.db", isolation_level=None)

    @agent.tool(irreversible=True)
    def book() -> str:
        """Book it."""
        raise AssertionError("it is not on disk that it begins")

    @agent.tool
    def look() -> str:
        """Look it up."""
        return "at nine"

    asks = Answer(calls=(Call(name="book"), Call(name="look")), caller="At nine, please.")
    script = Script(answers=(WELCOME, asks, GOODBYE), after_ms=20)
    environment = {"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db")}
    async with stack(script, agent=agent, environment=environment) as running:
        await running.desk.state.flush()
        async with asyncio.TaskGroup() as tasks:
            calling = tasks.create_task(running.call(STEPS))
            assert await until(lambda: any(running.facts.values()))
            locked.execute("BEGIN IMMEDIATE")
        call = calling.result()
        assert await until(lambda: bool(call.of(CallClosed)))
        locked.execute("ROLLBACK")
        locked.close()
        await running.desk.state.flush()
    assert call.verbs == CONNECTED_AND_ENDED
    assert [fact.what for fact in call.of(NotKept)] == ["book", "look", "end_call", "end"]
    assert all(200 <= fact.waited_ms < 2000 for fact in call.of(NotKept))
    with opened(f"sqlite:///{tmp_path}/records.db") as records:
        story = records.story(call.sid)
    assert story is not None
    used = {use.name: use.outcome for turn in story.turns for use in turn.tools if use.name != "end_call"}
    assert used == {"book": ToolOutcome.REFUSED.value, "look": ToolOutcome.ANSWERED.value}


@pytest.mark.heavy
async def test_calls_go_on_while_postgresql_is_away_and_are_on_record_when_it_is_back(
    tmp_path: Path, postgres_server: postgres.Server
) -> None:
    with postgres_server.database() as url:
        with contextlib.closing(Database(url)) as database:
            from callbridge.records.migrating import migrate  # noqa: PLC0415 - Alembic, for this test alone

            await asyncio.to_thread(migrate, database)
        environment = {"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"), "DATABASE_URL": url}
        async with stack(hello_and_goodbye(300), environment=environment) as running:
            before = await running.call([WaitForEnd()])
            assert await until(partial(is_ended, url, before.sid))
            await asyncio.to_thread(postgres_server.stop)
            try:
                away = [await running.call([WaitForEnd()]) for _ in range(3)]
                records = running.desk.records
                assert records is not None
                assert await until(partial(is_in_trouble, records))
                assert "cannot be reached" in (await readiness(running))["records"]
            finally:
                await asyncio.to_thread(postgres_server.start)
            assert {tuple(call.verbs) for call in [before, *away]} == {tuple(CONNECTED_AND_ENDED)}
            for call in away:
                assert await until(partial(is_ended, url, call.sid), 20)
            # What was the last to arrive is there a moment before that is known.
            assert await until(lambda: not is_in_trouble(records))
            assert (await readiness(running))["records"] == "well"
        with opened(url) as reading:
            for call in [before, *away]:
                kept = {(row.source, row.number) for row in reading.facts(call.sid)}
                assert {(fact.source, fact.number) for fact in call.facts if fact.source} <= kept


def is_in_trouble(records: RecordKeeping) -> bool:
    """Whether nothing arrives."""
    return records.trouble is not None


def is_ended(url: str, call_sid: str) -> bool:
    """Whether that is on record."""
    with opened(url) as records:
        return call_sid in [call.call_sid for call in records.calls(Filter(state="ended"))]


async def readiness(running: Stack) -> dict[str, str]:
    """What the control listener says."""
    app = control_app(running.desk)
    headers = {"Authorization": f"Bearer {control_key(running.settings)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://control") as client:
        answer: dict[str, str] = (await client.get(REASONS_PATH, headers=headers)).json()
    return answer
