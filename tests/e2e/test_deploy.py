"""A deploy on one machine: the old process goes, the new one takes its calls over, no caller is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script, SessionSettings, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import (
    Front,
    Gathering,
    Service,
    Talker,
    goodbye,
    percentile,
    services,
    session_of,
    small_talk,
    words_of,
)
from e2e.stack import APOLOGY, CONNECTED_AND_ENDED, CONNECTED_AND_LEFT, FinishedCall, Stack, variables
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall, Step
    from callbridge.simulators.voice_model import Journal, ModelServer, Note
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS = 30
SHORT_CALLS = 6
"""Of these the callers hang up while the old process drains."""

GAP_MS_MAX = 3000
LATE_MS_MAX = 200


@contextlib.asynccontextmanager
async def model(script: Script) -> AsyncIterator[ModelServer]:
    async with serve_model(script, settings=SessionSettings(keep_audio=False)) as server:
        yield server


async def carried_out(line: Stack, phone: SimulatedCall, after_s: float) -> FinishedCall:
    await asyncio.sleep(after_s)  # Callers do not all begin in the same millisecond.
    return await line.finish(phone)


@pytest.mark.heavy
async def test_a_deploy_drops_no_call(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    """Short calls end where they are, the others move at the end of a turn and are remembered."""
    shared = {"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"), "CALLBRIDGE_DRAIN_SECONDS": "2"}
    async with model(small_talk("old")) as before, model(goodbye("new")) as after, Front().open() as front:
        old_settings = variables(front.url, before.url, **shared)
        new_settings = variables(front.url, after.url, **shared)
        async with services(tmp_path, old_settings, new_settings) as (old, new):
            front.send_to(old)
            line, gathering = old.line(before), Gathering(CALLS, utterances=2)
            phones = [
                line.phone(Talker(f"caller {number}"), on_event=gathering.watch(number))
                for number in range(CALLS)
            ]
            async with asyncio.TaskGroup() as calling:
                tasks = [
                    calling.create_task(carried_out(line, phone, number * 0.03))
                    for number, phone in enumerate(phones)
                ]
                await gathering.complete(20)
                front.send_to(new)
                old.signal(signal.SIGTERM)
                assert await until(lambda: old.steps != [], 5)
                for phone in phones[:SHORT_CALLS]:
                    phone.hang_up()
                await assert_draining(old)
                late = calling.create_task(line.finish(line.phone(Talker("late", streams=1))))
            status = await old.ended(10)
            calls = [task.result() for task in tasks]
    assert status == 0
    assert (old.faults, new.faults) == ([], [])
    assert_ended_on_the_old(calls[:SHORT_CALLS])
    gaps_ms = assert_moved(calls[SHORT_CALLS:], before.sessions, after.sessions)
    figures(
        f"deploy with {CALLS} calls: {len(gaps_ms)} moved, 0 dropped; silence from the end of the old stream "
        f"to the first sound of the new: p50 {percentile(gaps_ms, 50)}, p95 {percentile(gaps_ms, 95)}, "
        f"max {max(gaps_ms)} ms (promised: {GAP_MS_MAX})"
    )
    reasons = Counter(line["reason"] for line in old.events("stream_ended"))
    assert reasons == {"caller_hangup": SHORT_CALLS, "handed_over": CALLS - SHORT_CALLS}
    assert len(old.events("stream_started")) == CALLS
    assert (late.result().verbs, late.result().report.is_clean) == (CONNECTED_AND_ENDED, True)
    assert len(new.events("stream_started")) == CALLS - SHORT_CALLS + 1
    gap_ms = percentile(gaps_ms, 95)
    machine.judge([f"a gap of {gap_ms} ms"] if gap_ms >= GAP_MS_MAX else [], LATE_MS_MAX)


async def assert_draining(service: Service) -> None:
    """It says so, and refuses a call that is offered to it all the same."""
    async with asyncio.timeout(5):
        while (await service.readiness())[0] == 200:
            pass
    assert await service.readiness() == (503, {"status": "not ready"})
    document = await service.offer("CA" + "0" * 32)
    assert words_of(document) == APOLOGY
    assert "<Connect" not in document


def assert_ended_on_the_old(calls: list[FinishedCall]) -> None:
    for call in calls:
        assert call.verbs == CONNECTED_AND_LEFT
        assert call.report.is_clean, (call.report.warnings, call.report.findings)


def assert_moved(calls: list[FinishedCall], before: list[Journal], after: list[Journal]) -> list[int]:
    """Each was handed over at the end of a turn, remembered, and ended by the new agent; the gaps in ms."""
    gaps_ms = []
    for call in calls:
        assert call.verbs == ["Connect/Stream", "Connect/Stream", "Hangup"]
        assert call.report.is_clean, (call.report.warnings, call.report.findings)
        assert [stream.ended_by for stream in call.report.streams] == ["bridge", "bridge"]
        assert [stream.unheard_at_end_ms for stream in call.report.streams] == [0, 0]
        said = session_of(call.phone.streams[0], before).memory
        # Words of an old session stand in one new session, and in no other.
        (told,) = [journal.memory for journal in after if said[0] in journal.memory]
        assert told[: len(said)] == said
        (gap_ms,) = call.report.resumed_after_ms
        assert gap_ms is not None
        gaps_ms.append(gap_ms)
    return gaps_ms


SLOW_TOOL = '''"""An agent whose one tool takes its time: until there is something to be found."""

import asyncio
from pathlib import Path

from callbridge import Agent

agent = Agent()


@agent.tool
async def look_up() -> str:
    """Looks something up."""
    while not Path("found").exists():
        await asyncio.sleep(0.02)
    return "forty-two"
'''


@pytest.mark.heavy
async def test_a_tool_that_runs_while_the_process_drains_answers(tmp_path: Path) -> None:
    """The drain takes nothing from a live call: the tool ends, its answer is said, the agent says goodbye."""
    (tmp_path / "slow.py").write_text(SLOW_TOOL, encoding="utf-8")
    is_called = asyncio.Event()

    def notice(_journal: Journal, note: Note) -> None:
        if note.kind == "called" and "look_up" in note.text:
            is_called.set()

    rng = random.Random("tool")
    script = Script(
        answers=(
            Answer(say=(Speech(text="Hello.", audio=noise(rng, 200)),)),
            Answer(calls=(Call(name="look_up"),)),
            Answer(
                say=(Speech(text="It is forty-two. Goodbye.", audio=noise(rng, 300)),),
                calls=(Call(name="end_call"),),
            ),
        )
    )
    async with serve_model(script, on_event=notice) as server, Front().open() as front:
        settings = variables(
            front.url, server.url, CALLBRIDGE_AGENT="slow:agent", CALLBRIDGE_DRAIN_SECONDS="60"
        )
        async with services(tmp_path, settings) as (old,):
            front.send_to(old)
            line = old.line(server)
            steps: list[Step] = [WaitForAgent(quiet_ms=200), Say(noise(rng, 300)), WaitForEnd()]
            async with asyncio.TaskGroup() as calling:
                task = calling.create_task(line.call(steps))
                async with asyncio.timeout(10):
                    await is_called.wait()
                old.signal(signal.SIGTERM)
                await assert_draining(old)
                (tmp_path / "found").touch()
            status = await old.ended(8)
    call = task.result()
    assert (status, old.faults) == (0, [])
    assert (call.verbs, call.report.is_clean) == (CONNECTED_AND_ENDED, True), call.report
    (journal,) = server.sessions
    assert "tool look_up({}): forty-two" in journal.memory
    assert [item.was_heard_to_its_end for item in call.heard(journal)] == [True, True]
    assert [line["event"] for line in old.steps] == ["draining", "stopped"]
