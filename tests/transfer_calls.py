"""An agent that can put its caller through, in a call of its own whose facts come back to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from callbridge.agents.context import About, Caller
from callbridge.agents.in_call import AgentInCall
from callbridge.call import wants as w
from callbridge.call.actions import RunTool
from callbridge.call.fact_base import BaseFact

if TYPE_CHECKING:
    import asyncio

    from callbridge.agents.agent import Agent
    from callbridge.agents.tools.tool import ToolResult

ABOUT = About("CA1", Caller("+14155550123"), "+14155550199", language="en")


class Calling:
    """An agent in a call of its own, whose facts come back to it as the core gives them back."""

    def __init__(self, agent: Agent, tasks: asyncio.TaskGroup, *earlier: Any, about: About = ABOUT) -> None:
        self.agent = AgentInCall(agent, about, earlier)
        self.agent.begin(tasks)
        self.told: list[Any] = []
        """What the agent has wanted so far, its facts among it."""
        self._count = 0

    def tells(self, *told: Any) -> None:
        """This happens."""
        for fact in told:
            self.agent.told(fact)
        self.take()

    def take(self) -> list[Any]:
        """What it wants now, in order."""
        wanted = []
        while (want := self.agent.take()) is not None:
            wanted.append(want)
            if isinstance(want, BaseFact):
                self.agent.told(want)
        self.told += wanted
        return wanted

    async def asks(self, name: str = "transfer", **arguments: Any) -> ToolResult:
        """The model calls a tool."""
        return await self.run(name, json.dumps(arguments))

    async def run(self, name: str, arguments: str, work_id: str = "") -> ToolResult:
        """A tool is run, or a work, and what it wants is taken."""
        self._count += 1
        asked = RunTool(work_id or f"call_{self._count}", name, arguments, 5.0, is_ours=bool(work_id))
        result = await self.agent.run(asked, is_kept=True)
        self.take()
        return result

    async def works(self) -> None:
        """What was asked for as a work is run, and what that asks for."""
        self.take()
        while works := [want for want in self.told if isinstance(want, w.WorkAsked)]:
            self.told = [want for want in self.told if want not in works]
            for work in works:
                await self.run(work.name, work.arguments, work.call_id)

    def of(self, kind: type) -> list[Any]:
        """What it has wanted of this kind."""
        return [want for want in self.told if isinstance(want, kind)]

    def choices(self) -> list[str] | None:
        """Whom the model may ask for; None without the tool."""
        tools = {tool.name: tool for tool in self.agent.definitions}
        if "transfer" not in tools:
            return None
        properties: Any = tools["transfer"].parameters["properties"]
        return list(properties["to"]["enum"])
