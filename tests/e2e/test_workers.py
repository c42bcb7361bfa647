"""Several processes behind one port: replaced, killed, left alone. No call is dropped, none stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.simulators.voice_model import SessionSettings, serve_model
from e2e.commands import COMMAND, environment, run
from e2e.processes import Gathering, Talker, percentile, services, session_of, small_talk
from e2e.stack import variables
from leftovers import until
from ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall
    from callbridge.simulators.voice_model import ModelServer
    from e2e.processes import Service
    from e2e.stack import FinishedCall
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS = 10
SILENCE_MS_MAX = 3000
TOLD = 6
"""So many of the last entries are looked for: of a long call the first ones are not told again."""

START_S = 60.0
"""A worker is there after two seconds, on a machine that has nothing else to do."""

CALL_S = 4 * START_S
"""Nobody hangs up while workers start, however long that takes."""


class Crew:
    """A service with its workers, as its log tells of them."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def pids(self) -> dict[int, int]:
        """The process of each number, the latest."""
        return {line["worker"]: line["pid"] for line in self.service.events("worker_started")}

    async def serve(self, so_often: int) -> None:
        """Until so many of them have begun to serve."""
        assert await until(lambda: len(self.service.events("ready")) >= so_often, START_S), self.service.log

    def carried(self) -> list[int]:
        """The worker of each stream, in the order in which they began."""
        return [line["worker"] for line in self.service.events("stream_started")]


@contextlib.asynccontextmanager
async def crew(folder: Path, model: ModelServer, **more: str) -> AsyncIterator[Crew]:
    """Two workers that serve. Other commands are not told how many they are."""
    settings = variables(
        "",
        model.url,
        CALLBRIDGE_STATE_PATH=str(folder / "state.db"),
        CALLBRIDGE_CONTROL_PORT=str(free_ports(3)),
        **more,
    )
    async with services(folder, settings, command=(*COMMAND, "serve", "--workers", "2")) as (service,):
        found = Crew(service)
        await found.serve(2)
        yield found


def is_there(pid: int) -> bool:
    """Whether this process lives, or waits for somebody to take note of its end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.asynccontextmanager
async def talking(line: Crew, model: ModelServer) -> AsyncIterator[list[asyncio.Task[FinishedCall]]]:
    """Callers who go on talking with whoever answers, until the end of the context; then they hang up."""
    stack, gathering = line.service.line(model), Gathering(CALLS, utterances=2)
    phones: list[SimulatedCall] = [
        stack.phone(
            Talker(f"caller {number}", streams=99, turns=900),
            on_event=gathering.watch(number),
            max_call_s=CALL_S,
        )
        for number in range(CALLS)
    ]
    async with asyncio.TaskGroup() as calling:
        tasks = []
        for phone in phones:
            tasks.append(calling.create_task(stack.finish(phone, CALL_S)))
            await asyncio.sleep(0.1)  # Callers do not all begin in the same millisecond.
        await gathering.complete(30)
        yield tasks
        for phone in phones:
            phone.hang_up()


@dataclass
class Follower:
    """`callbridge calls follow`, and what it has written so far."""

    process: asyncio.subprocess.Process
    folder: Path

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Of all calls, in the order in which they came."""
        whole = (self.folder / "followed").read_text().rpartition("\n")[0]
        events = [json.loads(line) for line in whole.splitlines()]
        return [event["fact"] for event in events if event["type"] == "fact"]

    @property
    def notices(self) -> str:
        """About who is followed."""
        return (self.folder / "notices").read_text()


@contextlib.asynccontextmanager
async def follower(folder: Path, service: Service) -> AsyncIterator[Follower]:
    """One who ends with the service."""
    with (folder / "followed").open("wb") as facts, (folder / "notices").open("wb") as notices:
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "calls", "follow", "--json", "--no-words"),
            env=environment(service.variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=facts,
            stderr=notices,
        )
    found = Follower(process, folder)
    try:
        yield found
        async with asyncio.timeout(20):
            assert await process.wait() == 0, found.notices
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def assert_continued(calls: Sequence[FinishedCall], model: ModelServer, *, may_miss: int) -> list[int]:
    """Each stream but the last was followed by one that remembers it, but for so many of its last entries.

    Answers the silences between, in ms.
    """
    silences_ms = []
    for call in calls:
        assert set(call.verbs) == {"Connect/Stream"}, call.verbs
        assert call.report.findings == []
        told: list[str] = []
        for stream in call.phone.streams:
            if not stream.playback.payloads:
                continue  # It was left before its agent spoke again.
            memory = session_of(stream, model.sessions).memory
            kept = told[: max(1, len(told) - may_miss)][-TOLD:]
            assert not kept or kept in [memory[at : at + len(kept)] for at in range(len(memory))]
            told = memory
        silences_ms += [ms for ms in call.report.resumed_after_ms if ms is not None]
    return silences_ms


@pytest.mark.heavy
async def test_all_are_replaced_under_live_calls(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    """SIGHUP: a new worker serves before an old one leaves; every call moves, and is remembered."""
    async with (
        serve_model(small_talk("all"), settings=SessionSettings(keep_audio=False)) as model,
        crew(tmp_path, model, CALLBRIDGE_DRAIN_SECONDS="1") as line,
        follower(tmp_path, line.service) as followed,
    ):
        service, before = line.service, line.pids
        async with talking(line, model) as tasks:
            assert await until(lambda: followed.facts != [], START_S), followed.notices
            spread = Counter(line.carried())
            service.signal(signal.SIGHUP)
            assert await until(lambda: service.events("workers_restarted") != [], 2 * START_S), service.log
            assert not {line.pids[number] for number in before} & set(before.values())
            assert not any(map(is_there, before.values()))
            await asyncio.sleep(1.5)  # In the middle of anything, on the last of them.
        calls = [task.result() for task in tasks]
        service.signal(signal.SIGTERM)
        assert await service.ended(20) == 0
        assert not any(map(is_there, line.pids.values()))
    assert service.faults == []
    left = {fact["call_sid"] for fact in followed.facts if fact.get("reason") == "caller_hangup"}
    assert left == {call.sid for call in calls}, "who follows is told by the new workers how each call ends"
    assert followed.notices.count("was replaced: the new one is followed as well") == 2, followed.notices
    assert abs(spread[0] - spread[1]) <= CALLS // 2, spread
    assert {stream.ended_by for call in calls for stream in call.report.streams[:-1]} == {"bridge"}
    stayed = [call for call in calls if len(call.phone.streams) < 2]
    assert not stayed, [
        (call.verbs, [e for e in service.log.splitlines() if call.sid in e]) for call in stayed
    ]
    silences_ms = assert_continued(calls, model, may_miss=1)  # An answer that had no sound yet.
    figures(
        f"two workers replaced under {CALLS} calls ({spread[0]} and {spread[1]} at first): 0 dropped, "
        f"{len(silences_ms)} moves; silence p50 {percentile(silences_ms, 50)}, max {max(silences_ms)} ms "
        f"(promised: {SILENCE_MS_MAX})"
    )
    late = [f"a silence of {ms} ms" for ms in silences_ms if ms > SILENCE_MS_MAX]
    machine.judge(late, tolerates_ms=100)


@pytest.mark.heavy
async def test_a_worker_is_killed_and_then_its_supervisor(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    """Its calls go on with the other, a new one is there; without a supervisor all drain by themselves."""
    async with (
        serve_model(small_talk("killed"), settings=SessionSettings(keep_audio=False)) as model,
        crew(tmp_path, model) as line,
        follower(tmp_path, line.service) as followed,
    ):
        service, (victim, other) = line.service, (line.pids[0], line.pids[1])
        async with talking(line, model) as tasks:
            assert await until(lambda: followed.facts != [], START_S), followed.notices
            os.kill(victim, signal.SIGKILL)
            await line.serve(3)
            assert (line.pids[0] != victim, line.pids[1]) == (True, other)
            ended = await run(tmp_path, "drain", "--wait-seconds", "0", variables=service.variables)
            assert (ended.status, f"{CALLS} calls are live" in ended.stdout) == (1, True), ended
            undone = await run(tmp_path, "drain", "--undo", variables=service.variables)
            assert (undone.status, undone.stdout) == (0, "it takes calls\n"), undone
        calls = [task.result() for task in tasks]
        began_at = time.monotonic()
        service.signal(signal.SIGKILL)
        await service.ended(5)
        assert await until(lambda: not any(map(is_there, line.pids.values())), 20), service.log
        alone_s = time.monotonic() - began_at
    assert "is lost: its calls go on with the others" in followed.notices
    assert "a new worker is at" in followed.notices
    assert len(service.events("supervisor_gone")) == 2
    assert [entry["status"] for entry in service.events("worker_died")] == [-signal.SIGKILL]
    killed = [call for call in calls if len(call.phone.streams) > 1]
    assert len(killed) >= 2
    assert {call.phone.streams[0].end is not None for call in killed} == {True}
    assert {stream.ended_by for call in killed for stream in call.report.streams[:-1]} == {"network"}
    silences_ms = assert_continued(calls, model, may_miss=2)  # The last turn: a question and its answer.
    figures(
        f"one of two workers killed with {len(killed)} of {CALLS} calls: 0 dropped; silence p50 "
        f"{percentile(silences_ms, 50)}, max {max(silences_ms)} ms (promised: {SILENCE_MS_MAX}); "
        f"{alone_s:.1f} s after its supervisor the last worker was gone"
    )
    late = [f"a silence of {ms} ms" for ms in silences_ms if ms > SILENCE_MS_MAX]
    machine.judge(late, tolerates_ms=100)


@pytest.mark.heavy
async def test_what_keeps_a_worker_from_starting_is_said_once(tmp_path: Path) -> None:
    """The exit status is the worker's; without a state that they share they are not started at all."""
    shared = {"CALLBRIDGE_WORKERS": "3", "CALLBRIDGE_CONTROL_PORT": str(free_ports(4))}
    settings = variables("http://127.0.0.1:1", "ws://127.0.0.1:1/v1", **shared)
    refused = await run(tmp_path, "serve", variables=settings)
    assert (refused.status, "Set CALLBRIDGE_STATE_PATH to a file" in refused.stdout) == (1, True), refused
    settings |= {"CALLBRIDGE_STATE_PATH": "state.db", "PORT": str(free_ports(1))}
    failed = await run(tmp_path, "serve", variables=settings | {"CALLBRIDGE_CLIP": "nowhere.wav"})
    assert failed.status == 1
    assert failed.stdout.count("CALLBRIDGE_CLIP=nowhere.wav") == 1
    assert failed.stderr.count("worker_started") == failed.stderr.count("workers_given_up") == 1, failed
