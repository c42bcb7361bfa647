"""MCP servers of the SDK's agents: connected before calls, shared by them, closed at the end; what fails."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import RunContextWrapper, function_tool
from agents.exceptions import UserError
from agents.mcp import MCPServer
from agents.realtime import RealtimeAgent
from mcp import MCPError
from mcp.types import Tool
from structlog.testing import capture_logs

from callbridge.agents.choosing.choice import Roster
from callbridge.agents.mcp import lasting
from callbridge.agents.mcp.connections import Connections
from callbridge.agents.mcp.listing import TOOLS_MAX
from callbridge.agents.openai_agents import mcp_servers
from callbridge.agents.openai_agents.mcp_servers import SdkServer, sharing
from callbridge.cli.agent import lines_of
from callbridge.openai_agents import guest
from callbridge.server.errands.mcp_check import ask_mcp_servers
from leftovers import leaves_nothing, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_servers, "LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(lasting, "REST_S", 0.01)


class Shop(MCPServer):
    """A server of a user's own class, and what was done to it."""

    __hash__ = None  # type: ignore[assignment]  # As in a dataclass.

    def __init__(self, name: str = "shop", tools: int = 1, *, is_down: bool = False) -> None:
        super().__init__()
        self._name, self.is_down = name, is_down
        self.session: Any = None
        self.listed = [
            Tool(name=f"{name}_{number}", input_schema={"type": "object"}) for number in range(tools)
        ]
        self.done: list[str] = []
        self.hangs = self.has_died = False
        self._task: asyncio.Task[Any] | None = None

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        self._task = asyncio.current_task()
        self.done.append("connect")
        self.has_died = False
        if self.is_down:
            raise FileNotFoundError(2, "no", "no-such-program")

    async def cleanup(self) -> None:
        self.done.append("cleanup" if asyncio.current_task() is self._task else "cleanup by another task")

    async def list_tools(self, *_asked: Any, **_more: Any) -> list[Tool]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.has_died:
            raise ConnectionError
        return self.listed

    async def call_tool(self, *_asked: Any, **_more: Any) -> Any:
        raise ConnectionError

    async def list_prompts(self) -> Any: ...

    async def get_prompt(self, *_asked: Any, **_more: Any) -> Any: ...


class Process:
    """What a process does for its calls."""

    def __init__(self, *servers: MCPServer) -> None:
        self.connections = Connections()
        self.servers = [SdkServer(server) for server in servers]

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self.connections.live_forever(lambda: self.servers))
        await self.connections.tried(self.servers, 30)
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life

    async def tools_of(self, agent: RealtimeAgent[Any]) -> list[str]:
        """As a session would find them."""
        found = await sharing(agent, self.connections).get_all_tools(RunContextWrapper(None))
        return [tool.name for tool in found]


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    async with leaves_nothing():
        yield


@function_tool
async def weather(city: str) -> str:
    """Get the weather in a city."""
    return f"sunny in {city}"


def agent(*servers: MCPServer, **more: Any) -> RealtimeAgent[Any]:
    return RealtimeAgent(
        name="Shop", instructions="You sell.", mcp_servers=[*servers], tools=[weather], **more
    )


async def test_one_is_connected_once_and_closed_by_who_connected_it() -> None:
    """However many agents have it. What is not there costs an agent none of its other tools."""
    shop, down = Shop(), Shop("down", is_down=True)
    with capture_logs() as lines:
        async with Process(shop, shop, down) as process:
            for _ in range(2):
                assert await process.tools_of(agent(shop, down)) == ["shop_0", "weather"]
    assert shop.done == ["connect", "cleanup"]
    lost = [line for line in lines if line["event"] == "mcp_server_lost"]
    assert {(line["server"], line["reason"]) for line in lost} == {
        ("down", "there is no such program or folder: no-such-program")
    }


async def test_a_name_that_is_there_twice_costs_that_tool_alone() -> None:
    """It may be another server's, or the agent's own. Unless each has the name of its server before it."""
    shop, other = Shop(), Shop("other", 5)
    for place, name in enumerate(["shop_0", "weather", "transfer_to_billing", "other_4"]):
        other.listed[place].name = name
    billing = RealtimeAgent[Any](name="Billing")
    async with Process(shop, other) as process:
        with capture_logs() as lines:
            twice = agent(shop, other, handoffs=[billing])
            assert await process.tools_of(twice) == ["shop_0", "other_4", "weather"]
        assert [line["count"] for line in lines] == [4]
        apart = agent(shop, other, mcp_config={"include_server_in_tool_names": True})
        assert len(await process.tools_of(apart)) == 6


async def test_one_that_hangs_or_floods_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_servers, "LISTED_WITHIN_S", 0.05)
    shop, many = Shop(), Shop("many", TOOLS_MAX + 9)
    many.listed[0] = Tool(name="long", description="z" * 20_000, input_schema={"type": "object"})
    async with Process(shop, many) as process:
        link = process.connections.link_of(SdkServer(many))
        assert link is not None
        assert (len(link.left_out), link.left_out[0].partition(":")[0]) == (9, "long")
        assert len(link.tools) == TOOLS_MAX
        shop.hangs = True
        names = await process.tools_of(agent(shop, many))
    assert names == [*(f"many_{number}" for number in range(1, TOOLS_MAX + 1)), "weather"]


async def test_one_that_dies_is_connected_again() -> None:
    """A tool that fails is the moment in which that is seen."""
    shop = Shop()
    async with Process(shop) as process:
        (shared,) = sharing(agent(shop), process.connections).mcp_servers
        shop.has_died = True
        with pytest.raises(ConnectionError):
            await shared.call_tool("shop_0", {})
        assert await until(lambda: shop.done == ["connect", "cleanup", "connect"])
        assert await process.tools_of(agent(shop)) == ["shop_0", "weather"]


async def test_one_that_the_user_has_connected_stays_the_users() -> None:
    shop = Shop()

    async def list_tools() -> Any:
        return SimpleNamespace(tools=shop.listed)

    shop.session = SimpleNamespace(list_tools=list_tools)  # So it is with the SDK's, once connected.
    async with Process(shop) as process:
        assert await process.tools_of(agent(shop)) == ["shop_0", "weather"]
    assert shop.done == []


async def test_a_function_of_the_users_gets_the_users_agent() -> None:
    """It is another one that is asked for tools."""
    given: list[Any] = []

    def instructions(_context: RunContextWrapper[Any], of: RealtimeAgent[Any]) -> str:
        given.append(of)
        return ""

    theirs = RealtimeAgent[Any](name="Shop", instructions=instructions, mcp_servers=[Shop()])
    await sharing(theirs, Connections()).get_system_prompt(RunContextWrapper(None))
    assert given[0] is theirs


async def test_what_names_and_words_of_a_server_may_hold_is_shown_nowhere() -> None:
    """The SDK calls it by its address. What a tool is called, and what an error says, may be anything."""
    shop = Shop("streamable_http: https://me:pw-1@shop.example/key-2/mcp?key=key-3")
    shop.listed[0].name = "\x1b[31m" + "z" * 900
    (found,) = await ask_mcp_servers(Roster({"desk": guest(agent(shop))}))
    assert found.what == (rf"MCP server streamable_http: https://shop.example has \x1b[31m{'z' * 59}")

    words = "Failed to call the server 'streamable_http: https://shop.example/key-2/mcp': HTTP error 404"
    for error, told in {
        MCPError(-32603, "no such key: key-4"): "it has answered with an error of its own (code -32603)",
        UserError(words): words.replace("/key-2/mcp", ""),
    }.items():

        async def refuses(error: Exception = error) -> Any:
            raise error

        shop.session = SimpleNamespace(list_tools=refuses)
        (found,) = await ask_mcp_servers(Roster({"desk": guest(agent(shop))}))
        assert found.what.endswith(f" is not there: {told}")


async def test_they_are_shown_and_asked_like_ours() -> None:
    made = guest(agent(Shop("till", 2)), name="desk")
    assert "  till: of the OpenAI Agents SDK" in list(lines_of("desk", made))
    (found,) = await ask_mcp_servers(Roster({"desk": made}))
    assert found.what == "MCP server till has till_0, till_1"
