"""`kill -9` of a process in mid-call: what was said is kept, and its callers go on with the next one."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from callbridge.call.facts import Fact, StreamAsked, StreamEnded, StreamStarted
from callbridge.simulators.truth import heard_items
from callbridge.simulators.voice_model import serve_model
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import DETAILS
from callbridge.switchboard.continuation import read_facts
from e2e.processes import (
    CLIPS,
    Front,
    Gathering,
    Service,
    Talker,
    goodbye,
    percentile,
    services,
    session_of,
    small_talk,
)
from e2e.stack import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from callbridge.simulators.phone import PhoneStream
    from callbridge.simulators.voice_model import Journal, ModelServer
    from e2e.stack import FinishedCall
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS = 8
KILLS = 2
"""In each chain: the calls are on the third process in the end."""

RESUMED_MS_MAX = 3000


@pytest.mark.heavy
async def test_no_call_is_lost_by_two_kills(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    resumed_ms = await survive_kills(tmp_path, machine, seed=1)
    figures(
        f"kill -9, {KILLS} times with {CALLS} calls: from the end of the stream to the next sound "
        f"p50 {percentile(resumed_ms, 50)}, max {max(resumed_ms)} ms (promised: {RESUMED_MS_MAX})"
    )


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 17))
async def test_no_call_is_lost_by_thirty_kills(tmp_path: Path, machine: Machine, seed: int) -> None:
    await survive_kills(tmp_path, machine, seed=seed)


async def survive_kills(folder: Path, machine: Machine, *, seed: int) -> list[int]:
    """Calls that are on through all kills of a chain; answers how long each silence was, in ms."""
    rng = random.Random(seed)
    path = folder / "state.db"
    async with contextlib.AsyncExitStack() as context:
        scripts = [*(small_talk(f"process {number}") for number in range(KILLS)), goodbye("the last one")]
        models = [await context.enter_async_context(serve_model(script)) for script in scripts]
        front = await context.enter_async_context(Front().open())
        settings = [variables(front.url, model.url, CALLBRIDGE_STATE_PATH=str(path)) for model in models]
        chain = await context.enter_async_context(services(folder, *settings))
        calls = await calls_through(chain, front, models, rng)
    assert [service.faults for service in chain] == [[]] * len(chain)
    await assert_kept(path, calls, models)
    resumed_ms = [ms for call in calls for ms in call.report.resumed_after_ms if ms is not None]
    assert len(resumed_ms) == CALLS * KILLS
    late = [f"a silence of {ms} ms" for ms in resumed_ms if ms > RESUMED_MS_MAX]
    machine.judge(late, tolerates_ms=100)
    return resumed_ms


async def calls_through(
    chain: list[Service], front: Front, models: list[ModelServer], rng: random.Random
) -> list[FinishedCall]:
    """Kills one process after the other, each at any moment of the conversations on it."""
    line = chain[0].line(models[0])
    front.send_to(chain[0])
    # On each process every agent is heard twice at least before it is killed.
    gatherings = [Gathering(CALLS, utterances=2) for _ in range(KILLS)]
    talkers = [Talker(f"caller {number}", streams=KILLS + 1) for number in range(CALLS)]
    phones = [
        line.phone(talker, on_event=Gathering.one_after_the_other(gatherings, number))
        for number, talker in enumerate(talkers)
    ]
    async with asyncio.TaskGroup() as calling:
        tasks = [calling.create_task(line.finish(phone)) for phone in phones]
        for number, gathering in enumerate(gatherings):
            await gathering.complete(20)
            await asyncio.sleep(rng.uniform(0, 1))  # In the middle of anything.
            front.send_to(chain[number + 1])
            chain[number].signal(signal.SIGKILL)
            assert await chain[number].ended(5) == -signal.SIGKILL
    return [task.result() for task in tasks]


async def assert_kept(path: Path, calls: list[FinishedCall], models: list[ModelServer]) -> None:
    """The file is whole, and has the outline of each call; what was said it had, and has no more."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    state = SqliteState(path)
    for call in calls:
        assert call.verbs == ["Connect/Stream"] * (KILLS + 1) + ["Hangup"]
        assert call.report.findings == []
        assert {stream.ended_by for stream in call.report.streams[:-1]} == {"network"}
        events = await state.events(call.sid)
        assert_whole([fact for _, fact in read_facts(events)], call, models)
    await state.close()


def assert_whole(facts: Sequence[Fact], call: FinishedCall, models: list[ModelServer]) -> None:
    """One call in the state file; and what its last agent was told, compared with what its caller heard.

    That is all but at most the last turn of each killed stream.
    """
    kinds = [type(fact) for fact in facts]
    assert kinds.count(StreamStarted) == KILLS + 1
    assert [fact.follows for fact in facts if isinstance(fact, StreamAsked)] == ["resume"] * KILLS + [
        "hang_up"
    ]
    assert kinds.count(StreamEnded) == 1
    assert not {fact.kind for fact in facts} & DETAILS
    killed = [
        (session_of(stream, model.sessions), stream)
        for stream, model in zip(call.phone.streams[:-1], models[:-1], strict=True)
    ]
    heard = [words_heard(stream, journal) for journal, stream in killed]
    (last,) = [journal for journal in models[-1].sessions if f"assistant: {heard[0][0]}" in journal.memory]
    told = [entry.removeprefix("assistant: ") for entry in last.memory if entry.startswith("assistant: ")]
    for words in heard:
        kept, told = told[: len(words)], told[len(words) :]
        if kept != words:  # The last one was not written any more when its process was killed.
            told = kept[len(words) - 1 :] + told
            assert kept[: len(words) - 1] == words[:-1]
    assert len(told) == 1, "its own words, which recite all of it"
    for journal, _ in killed[1:]:
        assert f"assistant: {heard[0][0]}" in journal.memory, "and so was the agent between them"


def words_heard(stream: PhoneStream, journal: Journal) -> list[str]:
    """The words of the answers that were heard to their ends before the stream broke."""
    assert stream.end is not None
    spoken = [item for item in journal.items.values() if item.is_spoken]
    heard = heard_items(stream.playback, spoken, stream.end.at, CLIPS)
    return [
        item.transcript
        for item, truth in zip(spoken, heard, strict=True)
        if truth.heard_ms * 8 >= len(item.audio) > 0
    ]
