"""The tools of MCP servers in one call: which there are, what they are called, and when that changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import structlog

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

from callbridge import Agent, McpServer
from callbridge.agents.in_call import AgentInCall
from callbridge.agents.mcp.connections import Connections
from callbridge.agents.mcp.servers import OurServer
from callbridge.agents.outside import NoOutside
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner
from callbridge.agents.tools.toolbox import TOOLS_MAX
from callbridge.call.actions import RunTool
from callbridge.call.agent_facts import McpToolsChanged
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wants import SessionWanted
from tool_runs import ABOUT, in_call

if TYPE_CHECKING:
    from collections.abc import Sequence

TILL, OVEN = McpServer.stdio("till"), McpServer.stdio("oven")


def tool(name: str, manner: Manner | None = None) -> GivenTool:
    """One that answers with its arguments."""
    schema = {"type": "object", "properties": {}}
    return GivenTool(name, "Does it.", schema, lambda arguments, _call: arguments, manner)


class Shelf(Connections):
    """Connections whose servers have what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.has: dict[McpServer, Sequence[GivenTool]] = {}

    def tools_of(self, server: OurServer) -> tuple[GivenTool, ...]:
        return tuple(self.has.get(server, ()))

    def put(self, server: McpServer, *tools: GivenTool) -> None:
        """From now on."""
        self.has[server] = tools
        self.tell()


class MadeCall:
    """One call of an agent with two servers."""

    def __init__(self, **agent: Any) -> None:
        self.outside, self.shelf = NoOutside(), Shelf()
        self.outside.mcp = self.shelf
        self._agent = Agent(can_hang_up=False, mcp_servers=[TILL, OVEN], **agent)

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        self.agent = AgentInCall(self._agent, ABOUT, outside=self.outside)
        await self.agent.prepare("", "")
        self.agent.begin(tasks)

    @property
    def names(self) -> list[str]:
        """As the model has been told last."""
        return [one.name for one in self.agent.definitions]

    async def changes(self) -> list[str]:
        """What the model is told next: the fact of the change, and behind it the session."""
        async with asyncio.timeout(5):
            while True:
                match wanted := self.agent.take():
                    case None:
                        await self.agent.wants.written()
                    case McpToolsChanged():
                        self.agent.told(wanted)
                    case SessionWanted():
                        return [one.name for one in wanted.tools]

    def run(self, name: str, arguments: str = "{}") -> Any:
        return self.agent.run(RunTool("call_1", name, arguments, 5.0), is_kept=True)


async def test_a_call_has_what_is_there_when_it_begins() -> None:
    made = MadeCall()
    made.shelf.put(TILL, tool("stock"), tool("order"))
    made.shelf.put(OVEN, tool("bake"))
    async with asyncio.TaskGroup() as tasks:
        await made.begin(tasks)
        assert made.names == ["stock", "order", "bake"]
        assert (await made.run("stock", '{"bread": "rye"}')).output == '{"bread":"rye"}'
        made.agent.hang_up()


async def test_what_comes_later_is_told_to_the_model() -> None:
    """The call goes on without it until then; what goes is refused like any tool that is not there."""
    made = MadeCall()
    async with asyncio.TaskGroup() as tasks:
        await made.begin(tasks)
        assert made.names == []
        made.shelf.put(OVEN, tool("bake"))
        assert await made.changes() == ["bake"]
        made.shelf.put(TILL, tool("stock"))
        assert await made.changes() == ["stock", "bake"]
        made.shelf.put(OVEN)
        assert await made.changes() == ["stock"]
        gone = await made.run("bake")
        assert gone.outcome is ToolOutcome.REFUSED
        assert "the tools are: stock" in gone.output
        made.agent.hang_up()


async def test_of_two_with_one_name_there_is_one() -> None:
    """The agent's own stands first, then the servers in their order; nothing is called twice."""

    async def stock() -> str:
        """The shop's own."""
        return "our own"

    made = MadeCall(tools=[stock])
    made.shelf.put(TILL, tool("stock"), tool("order", Manner(is_confirmed=True)))
    made.shelf.put(OVEN, tool("order"))
    with structlog.testing.capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            await made.begin(tasks)
            assert made.names == ["stock", "order"]
            assert (await made.run("stock")).output == "our own"
            assert (await made.run("order")).outcome is ToolOutcome.UNCONFIRMED
            made.shelf.put(OVEN, tool("order"), tool("bake"), tool("stock"))
            assert await made.changes() == ["stock", "order", "bake"]
            made.agent.hang_up()
    assert [line["tools"] for line in logs if line["event"] == "mcp_tools_left_out"] == [
        [
            "stock of till: the agent has one of this name; give the server a prefix",
            "order of oven: till has one of this name; give the server a prefix",
        ],
        ["stock of oven: the agent has one of this name; give the server a prefix"],
    ]


async def test_a_session_has_no_more_than_it_takes() -> None:
    made = MadeCall()
    made.shelf.put(TILL, *(tool(f"till_{n}") for n in range(100)))
    made.shelf.put(OVEN, *(tool(f"oven_{n}") for n in range(100)))
    async with asyncio.TaskGroup() as tasks:
        await made.begin(tasks)
        assert len(made.names) == TOOLS_MAX
        made.agent.hang_up()


async def test_keys_are_told_once() -> None:
    """An agent that has nothing but its servers reads keys as it is told, and the core leaves that to it."""
    assert in_call(Agent(mcp_servers=[TILL])).reads_keys
    assert not in_call(Agent()).reads_keys
