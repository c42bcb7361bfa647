"""An agent with a flow in a call without sockets: what a model asks for is run, and facts come back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from callbridge.agents.context import About, Caller
from callbridge.agents.in_call import AgentInCall
from callbridge.call.actions import RunTool
from callbridge.call.agent_facts import StepEntered
from callbridge.call.fact_base import BaseFact
from callbridge.call.facts import CallerSpoke, KeysPressed, Noted, StreamStarted
from callbridge.call.wants import SessionWanted, WorkAsked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from callbridge.agents.agent import Agent
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wanted
    from callbridge.call.facts import Fact

ABOUT = About("CA1", Caller("+14155550100"), "+14155550199")


class FlowCall:
    """One stream of a call with a flow."""

    def __init__(self, agent: Agent, tasks: asyncio.TaskGroup, earlier: Iterable[Fact] = ()) -> None:
        self.before = list(earlier)
        self.agent = AgentInCall(agent, ABOUT, self.before)
        self.agent.begin(tasks)
        self.facts: list[Fact] = []
        """Of this stream, in order."""
        self.wanted: list[Wanted] = []
        """What was wanted beside facts and works."""
        self.works: list[str] = []
        self._calls = 0

    async def begin(self) -> FlowCall:
        await self.happen(StreamStarted("", ""))
        return self

    async def happen(self, fact: Fact) -> None:
        """Something happens, and what follows."""
        self.facts.append(fact)
        self.agent.told(fact)
        await self.settle()

    async def call(self, tool: str, /, **arguments: object) -> Any:
        """What the model is told when it calls a tool."""
        result = await self.run(tool, json.dumps(arguments))
        with contextlib.suppress(ValueError):
            return json.loads(result.output)
        return result.output

    async def run(self, tool: str, arguments: str) -> ToolResult:
        self._calls += 1
        asked = RunTool(f"call_{self._calls}", tool, arguments, 5.0)
        result = await self.agent.run(asked, is_kept=True)
        await self.settle()
        return result

    async def press(self, keys: str) -> None:
        await self.happen(KeysPressed(keys, turn=1))

    async def speak(self) -> None:
        await self.happen(CallerSpoke(turn=1, loud_ms=500))

    async def settle(self) -> None:
        """All that is wanted is taken, as a call takes it."""
        while (wanted := self.agent.take()) is not None:
            if isinstance(wanted, BaseFact):
                self.facts.append(wanted)
                self.agent.told(wanted)
            elif isinstance(wanted, WorkAsked):
                self.works.append(wanted.name)
                asked = RunTool(wanted.call_id, wanted.name, wanted.arguments, 5.0, is_ours=True)
                await self.agent.run(asked, is_kept=True)
            else:
                self.wanted.append(wanted)

    # --- What came of it ---

    @property
    def way(self) -> list[tuple[str, str]]:
        """The steps of this stream, and why."""
        return [(fact.step, fact.because) for fact in self.facts if isinstance(fact, StepEntered)]

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.way]

    @property
    def tools(self) -> list[str]:
        """The names of the tools that the model has."""
        return [tool.name for tool in self.session.tools]

    @property
    def session(self) -> SessionWanted:
        """The session as the model has it."""
        wanted = [one for one in self.wanted if isinstance(one, SessionWanted)]
        return wanted[-1] if wanted else SessionWanted("", self.agent.instructions, self.agent.definitions)

    @property
    def warnings(self) -> list[Noted]:
        return [fact for fact in self.facts if isinstance(fact, Noted)]


@contextlib.asynccontextmanager
async def flow_call(agent: Agent, earlier: Iterable[Fact] = ()) -> AsyncIterator[FlowCall]:
    """A stream of a call that has begun."""
    async with asyncio.TaskGroup() as tasks:
        yield await FlowCall(agent, tasks, earlier).begin()
