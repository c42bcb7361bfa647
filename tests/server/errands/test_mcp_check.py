"""What `callbridge check` says of MCP servers: what they have, what is left out, why they are not there."""

from __future__ import annotations

import pytest

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

from callbridge import Agent, McpServer
from callbridge.agents.choosing.choice import Roster
from callbridge.cli.agent import lines_of
from callbridge.server.config.findings import Level
from callbridge.server.errands.mcp_check import ask_mcp_servers
from leftovers import leaves_nothing
from mcp_rig import served


@pytest.mark.heavy
async def test_each_server_is_asked_once() -> None:
    """Two agents with the same one, one with a server that is no more."""
    async with leaves_nothing(), served("stdio", "--list", "odd") as shop:
        gone = McpServer.stdio("no-such-program")
        agents = {"desk": Agent(mcp_servers=[shop]), "bakery": Agent(mcp_servers=[shop, gone])}
        found = await ask_mcp_servers(Roster(agents, default="desk"))
    assert [finding.level for finding in found] == [Level.WARNING, Level.WARNING]
    has, _, left_out = found[0].what.partition("; left out: ")
    assert has == "MCP server shop has no_properties, stock"
    for name in ("entry 1", "entry 2", "schemaless", "all", "deep", "top", "list", "kind", "stock"):
        assert f"{name}: " in left_out, name
    assert "there is no such program or folder" in found[1].what


async def test_a_terminal_obeys_no_server() -> None:
    """What it has printed is shown as it is, and without what it was told in confidence."""
    prints = McpServer.stdio("sh", args=["-c", "printf '\\033[31mI show %s' $KEY >&2"], env={"KEY": "k" * 12})
    (found,) = await ask_mcp_servers(Roster({"desk": Agent(mcp_servers=[prints])}))
    assert found.what.endswith(r"it has printed: \x1b[31mI show ********")


async def test_headers_in_the_open_are_told() -> None:
    servers = [
        McpServer.http(f"http://{host}:1/mcp", headers={"X-Key": "hidden"})
        for host in ("0.0.0.0", "127.0.0.1")  # noqa: S104 - nobody listens there
    ]
    found = await ask_mcp_servers(Roster({"desk": Agent(mcp_servers=servers)}))
    told = [finding.what for finding in found if "everybody on the way" in finding.what]
    assert told == ["the headers for MCP server 0.0.0.0 go over http://, which everybody on the way can read"]


async def test_where_there_is_none_nobody_is_asked() -> None:
    assert await ask_mcp_servers(Roster({"desk": Agent()})) == []


def test_an_agent_that_is_shown_names_them() -> None:
    """And nothing that a server is shown."""
    agent = Agent(
        can_hang_up=False,
        mcp_servers=[
            McpServer.stdio(
                "till",
                args=["--key", "hidden"],
                tools=["stock", "pay"],
                prefix="till_",
                confirm=True,
                irreversible=["pay"],
            ),
            McpServer.of_the_model(
                "orders", url="https://orders.example/mcp?key=hidden", authorization="hidden"
            ),
        ],
    )
    assert list(lines_of("desk", agent))[-7:] == [
        "MCP servers",
        "  till: till",
        "    tools: pay, stock, as till_…",
        "    asks the caller first: all",
        "    never done twice: pay",
        "  orders: https://orders.example/mcp, by the model's side",
        "    tools: all; approval: never",
    ]
