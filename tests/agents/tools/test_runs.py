"""The runs of one call: never more at a time than its places, whatever hangs in them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest

from callbridge.agents.context import Call
from callbridge.agents.tools.runs import AT_ONCE_MAX, ToolRuns
from callbridge.agents.tools.threads import Threads
from callbridge.agents.tools.tool import Manner, Tool, ToolResult
from callbridge.call.actions import RunTool
from callbridge.call.outcomes import ToolOutcome
from leftovers import until
from tool_runs import ABOUT, TIMEOUT_S

ANSWERED, BUSY, CANCELLED = ToolOutcome.ANSWERED, ToolOutcome.BUSY, ToolOutcome.CANCELLED
REFUSED, TIMED_OUT = ToolOutcome.REFUSED, ToolOutcome.TIMED_OUT


@dataclass
class Rig:
    """The runs of a call, and its tools: an async one and a plain one that wait until they may go on."""

    runs: ToolRuns
    tools: dict[str, Tool]
    tasks: asyncio.TaskGroup
    may_go_on: asyncio.Event
    begun: list[str] = field(default_factory=list)

    def ask(self, name: str, timeout_s: float = TIMEOUT_S) -> asyncio.Task[ToolResult]:
        """Runs a tool beside the others."""
        return self.tasks.create_task(self.run(asked(name, timeout_s)))

    async def run(self, tool: RunTool, *, is_kept: bool = True) -> ToolResult:
        """Runs one and waits for its answer."""
        return await self.runs.run(self.tools[tool.name], tool, is_kept=is_kept)


def asked(name: str, timeout_s: float = TIMEOUT_S, *, is_repeated: bool = False) -> RunTool:
    return RunTool("call_1", name, "{}", timeout_s, is_repeated)


@contextmanager
def hanging() -> Iterator[Callable[[], None]]:
    """A plain function that hangs; its threads are let go at the end."""
    released = threading.Event()

    def hangs() -> None:
        """Hang."""
        released.wait(TIMEOUT_S)

    try:
        yield hangs
    finally:
        released.set()


@asynccontextmanager
async def a_call(*functions: Callable[..., object], threads: Threads | None = None) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
        may_go_on = asyncio.Event()

        async def waits() -> None:
            """Wait."""
            rig.begun.append("waits")
            await may_go_on.wait()

        async def gives_up() -> None:
            """Wait, but not for a caller who is gone."""
            await may_go_on.wait()

        async def pays() -> None:
            """Pay."""
            rig.begun.append("pays")

        tools = [
            *(Tool(function) for function in (waits, *functions)),
            Tool(gives_up, Manner(stops_at_hangup=True)),
            Tool(pays, Manner(is_irreversible=True, timeout_s=1.0)),
        ]
        runs = ToolRuns(Call(ABOUT, {}), tasks, threads or Threads())
        rig = Rig(runs, {tool.name: tool for tool in tools}, tasks, may_go_on)
        yield rig
        may_go_on.set()


async def outcomes(*runs: asyncio.Task[ToolResult]) -> list[ToolOutcome]:
    return [(await run).outcome for run in runs]


async def test_more_than_the_places_wait_for_one() -> None:
    """A model asks for five things at once: the fifth begins when one of the others has ended."""
    async with a_call() as rig:
        runs = [rig.ask("waits") for _ in range(AT_ONCE_MAX + 1)]
        assert await until(lambda: len(rig.begun) == AT_ONCE_MAX)
        assert await outcomes(rig.ask("waits", 0.02)) == [BUSY]  # By now the fifth would have begun.
        assert len(rig.begun) == AT_ONCE_MAX
        rig.may_go_on.set()
        assert await outcomes(*runs) == [ANSWERED] * (AT_ONCE_MAX + 1)


async def test_who_finds_no_place_in_its_time_is_told_so() -> None:
    async with a_call() as rig:
        for _ in range(AT_ONCE_MAX):
            rig.ask("waits")
        late = await rig.ask("waits", 0.02)
        assert (late.outcome, "was not run" in late.output) == (BUSY, True)


async def test_hung_plain_tools_keep_their_places_and_the_next_is_told_at_once() -> None:
    """Their threads cannot be ended: a hundred calls of such a tool are four threads, not a hundred."""
    threads = Threads()
    with hanging() as hangs:
        async with a_call(hangs, threads=threads) as rig:
            hung = [rig.ask("hangs", 0.01) for _ in range(AT_ONCE_MAX)]
            assert await outcomes(*hung) == [TIMED_OUT] * AT_ONCE_MAX
            assert await outcomes(*(rig.ask("hangs", 3600.0) for _ in range(100))) == [BUSY] * 100
            assert threads.running == AT_ONCE_MAX
            assert await outcomes(rig.ask("waits", 3600.0)) == [BUSY]


async def test_the_threads_of_a_process_are_bounded_over_all_its_calls() -> None:
    """An async tool needs none."""
    threads = Threads(3)
    with hanging() as hangs:
        async with a_call(hangs, threads=threads) as one, a_call(hangs, threads=threads) as other:
            hung = [one.ask("hangs", 0.01), one.ask("hangs", 0.01), other.ask("hangs", 0.01)]
            assert await outcomes(*hung) == [TIMED_OUT] * 3
            assert await outcomes(other.ask("hangs", 3600.0)) == [BUSY]
            other.may_go_on.set()
            assert await outcomes(other.ask("waits")) == [ANSWERED]


async def test_a_thread_that_ends_after_all_gives_its_place_back() -> None:
    threads = Threads(1)
    with hanging() as hangs:
        async with a_call(hangs, threads=threads) as rig:
            assert await outcomes(rig.ask("hangs", 0.01)) == [TIMED_OUT]
    assert await until(lambda: threads.running == 0)


async def test_a_tools_own_time_goes_before_that_of_the_settings() -> None:
    async def slow() -> None:
        """Take long."""
        await asyncio.Event().wait()

    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
        runs, tool = ToolRuns(Call(ABOUT, {}), tasks), Tool(slow, Manner(timeout_s=0.01))
        assert "longer than 0.01 s" in (await runs.run(tool, asked("slow", 3600.0))).output


# --- The end of the call ---


async def test_after_a_hang_up_what_has_begun_goes_on_and_nothing_begins() -> None:
    async with a_call() as rig:
        going_on, giving_up = rig.ask("waits"), rig.ask("gives_up")
        assert await until(lambda: bool(rig.begun))
        rig.runs.hang_up()
        stopped = await giving_up
        assert (stopped.outcome, "a part of it may have been done" in stopped.output) == (CANCELLED, True)
        assert await outcomes(rig.ask("waits")) == [REFUSED]
        rig.may_go_on.set()
        assert await outcomes(going_on) == [ANSWERED]


# --- What cannot be undone ---


@pytest.mark.parametrize(
    ("is_kept", "is_repeated", "why"),
    [(False, False, "could not be written down"), (True, True, "its outcome is not known")],
)
async def test_an_irreversible_tool_is_not_run_in_doubt(
    *, is_kept: bool, is_repeated: bool, why: str
) -> None:
    """Whoever pays twice has not paid."""
    async with a_call() as rig:
        told = await rig.run(asked("pays", is_repeated=is_repeated), is_kept=is_kept)
        assert (told.outcome, why in told.output, rig.begun) == (REFUSED, True, [])
        rig.may_go_on.set()
        others = await rig.run(asked("waits", is_repeated=is_repeated), is_kept=is_kept)
        assert others.outcome is ANSWERED


async def test_an_irreversible_tool_runs_when_nothing_is_in_doubt() -> None:
    async with a_call() as rig:
        assert (await rig.run(asked("pays"))).outcome is ANSWERED
        assert rig.begun == ["pays"]
