"""Whether the model's side may run a tool: never asked, the caller first, or a function of the user's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callbridge import Agent, AgentFault, Call, McpServer, ToolRefused
from callbridge.agents.in_call import AgentInCall
from callbridge.agents.mcp import approvals
from callbridge.call import facts
from callbridge.call.actions import RunTool
from callbridge.call.mcp import APPROVE
from callbridge.call.memory import ToolStarted
from callbridge.call.wants import McpDecided
from callbridge.wire.realtime_commands import McpTool
from tool_runs import ABOUT

TOKEN = "hidden-till-token"


def till(approval: Any, **more: Any) -> McpServer:
    return McpServer.of_the_model(
        "till", url=f"https://till.example/mcp?key={TOKEN}", require_approval=approval, **more
    )


class Asking:
    """A call whose agent is asked."""

    def __init__(self, approval: Any, **more: Any) -> None:
        self.agent = AgentInCall(Agent(mcp_servers=[till(approval, **more)]), ABOUT)

    async def decides(
        self, tool: str = "stock", arguments: str = '{"bread": "rye"}', server: str = "till"
    ) -> McpDecided:
        """What comes of one request."""
        told = json.dumps({"request": "mcpr_1", "server": server, "tool": tool, "arguments": arguments})
        self.agent.told(facts.Remembered(ToolStarted(1, "mcpr_1", APPROVE, told, is_ours=True)))
        async with asyncio.TaskGroup() as tasks:
            self.agent.begin(tasks)
            await self.agent.run(RunTool("mcpr_1", APPROVE, told, 5.0, is_ours=True), is_kept=True)
        while not isinstance(wanted := self.agent.take(), McpDecided):
            assert wanted is not None, "nobody has decided"
        return wanted


async def test_what_needs_no_approval_is_approved() -> None:
    """The session says that nobody is to be asked; whoever asks all the same is told so."""
    assert (await Asking("never").decides()).is_given


async def test_the_caller_is_asked_first() -> None:
    """As with a tool that is confirmed: they have heard the question to its end, and had a turn."""
    asking = Asking("always")
    first = await asking.decides()
    assert not first.is_given
    assert "ask whether it is right" in first.reason
    asking.agent.told(facts.ItemHeard("item_1", behind_tools=1))
    asking.agent.told(facts.CallerSpoke(1, 100, is_clear=True))
    assert (await asking.decides()).is_given
    assert not (await asking.decides(arguments='{"bread": "wheat"}')).is_given


async def test_a_function_of_the_user_decides() -> None:
    """It knows the tool, its arguments and the call; what it refuses in words is told in them."""
    asked: list[object] = []

    async def may_run(tool: str, arguments: dict[str, Any], call: Call[Any]) -> bool:
        asked.append((tool, arguments, call.caller.number))
        if tool == "pay":
            raise ToolRefused("nothing is paid by telephone")
        return tool == "stock"

    asking = Asking(may_run)
    assert (await asking.decides()).is_given
    assert asked == [("stock", {"bread": "rye"}, ABOUT.caller.number)]
    assert not (await asking.decides("order")).is_given
    assert (await asking.decides("pay")).reason == "nothing is paid by telephone"


async def test_whatever_goes_wrong_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "DECIDES_WITHIN_S", 0.05)

    def breaks(_tool: str, _arguments: dict[str, Any], _call: Call[Any]) -> bool:
        raise RuntimeError

    async def hangs(_tool: str, _arguments: dict[str, Any], _call: Call[Any]) -> bool:
        await asyncio.Event().wait()
        return True

    for asking in (Asking(breaks), Asking(hangs), Asking(lambda *_: 1)):
        assert not (await asking.decides()).is_given
    assert not (await Asking(lambda *_: True).decides(arguments="{")).is_given
    assert not (await Asking("never").decides(server="oven")).is_given
    assert not (await Asking("never", allowed_tools=["order"]).decides("stock")).is_given


def test_the_session_names_it() -> None:
    agent = Agent(
        mcp_servers=[till("never", authorization=TOKEN, headers={"Shop": TOKEN}, allowed_tools=["stock"])]
    )

    async def servers() -> tuple[McpTool, ...]:
        return AgentInCall(agent, ABOUT).models_servers

    (tool,) = asyncio.run(servers())
    assert (tool.require_approval, tool.authorization, tool.headers) == ("never", TOKEN, {"Shop": TOKEN})
    assert tool.allowed_tools == ("stock",)
    assert TOKEN not in repr([tool, agent.mcp_servers])


def test_what_cannot_be_so_is_refused() -> None:
    with pytest.raises(AgentFault, match="reaches it by https"):
        McpServer.of_the_model("till", url="http://till.example")
    with pytest.raises(AgentFault, match="begins with a letter"):
        McpServer.of_the_model("1", url="https://till.example")
    with pytest.raises(AgentFault, match="never, always or a function"):
        till("sometimes")
