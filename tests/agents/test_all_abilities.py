"""The abilities of one call: those that prepare, listen and run are asked; one that fails stops nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from callbridge.agents.agent import Agent
from callbridge.agents.all_abilities import AllAbilities
from callbridge.agents.menu import MenuInCall
from callbridge.agents.wants import Wants
from callbridge.testing.virtual.loop import VirtualLoop
from tool_runs import in_call

if TYPE_CHECKING:
    from callbridge.agents.context import Call


class Listening(MenuInCall):
    """A menu that listens as well, is slow to prepare itself, and has a task."""

    def __init__(self, slow_s: float) -> None:
        super().__init__(Wants(asyncio.get_running_loop()), {})
        self._slow_s, self.log = slow_s, list[str]()

    async def prepare(self, call: Call[Any]) -> None:
        await asyncio.sleep(self._slow_s)
        self.log.append(f"prepared for {call.sid}")

    def hears(self, by: str, item_id: str, words: str) -> None:
        self.log.append(f"{by} {item_id} {words}")

    def start(self, tasks: asyncio.TaskGroup) -> None:
        self.log.append(f"starts in a {type(tasks).__name__}")

    def hang_up(self) -> None:
        self.log.append("hangs up")


def test_each_is_asked_for_what_it_has() -> None:
    async def run() -> tuple[list[str], list[str], list[Any]]:
        quick, late = Listening(0.1), Listening(60.0)
        abilities = AllAbilities([quick, MenuInCall(Wants(asyncio.get_running_loop()), {}), late])
        with capture_logs() as logged:
            await abilities.prepare(in_call(Agent()).call)
        async with asyncio.TaskGroup() as tasks:
            abilities.start(tasks)
        assert abilities.hearer is not None
        abilities.hearer("agent", "item_1", "Hello")
        abilities.hang_up()
        return quick.log, late.log, logged

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        quick, late, logged = runner.run(run())
    assert quick == ["prepared for CA1", "starts in a TaskGroup", "agent item_1 Hello", "hangs up"]
    assert late == quick[1:]
    assert [(line["event"], line["reason"]) for line in logged] == [("ability_not_prepared", "TimeoutError")]


def test_nobody_listens_in_vain() -> None:
    assert AllAbilities([]).hearer is None
