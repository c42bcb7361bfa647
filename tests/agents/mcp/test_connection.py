"""A connection with a real server, over both ways: what it has, what it answers, and what it may do to us."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Literal

import pytest

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

import mcp_server
from callbridge.agents.mcp import bounds
from callbridge.agents.mcp import connection as connection_module
from callbridge.agents.mcp import lasting as lasting_module
from callbridge.agents.mcp.connection import Connection
from callbridge.agents.mcp.listing import TOOLS_MAX
from callbridge.agents.mcp.servers import McpServer, OurServer
from callbridge.call.outcomes import ToolOutcome
from leftovers import leaves_nothing, until
from machine import Machine
from mcp_rig import WAIT_S, Linked, linked, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.agents.tools.tool import ToolResult


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No task, no socket and no program of a server is left by a test."""
    async with leaves_nothing():
        yield


@pytest.fixture(autouse=True)
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server has to wait for between two looks, and we before we open it again."""
    monkeypatch.setattr(connection_module, "LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr(lasting_module, "REST_S", 0.1)
    monkeypatch.setattr(lasting_module, "REST_S_MAX", 0.4)


ALL = [tool.name for tool in mcp_server.TOOLS]


def error_of(result: ToolResult) -> str:
    """What is told of a tool that did not answer."""
    return str(json.loads(result.output)["error"])


@pytest.mark.heavy
async def test_a_server_of_before_2026_has_tools_that_answer_and_change() -> None:
    """It says by itself that they have changed, and asks for what we have not by requests of its own."""
    async with served("stdio", "--list", "old") as server, linked(server) as link:
        assert await link.changes() == ALL
        assert json.loads((await link.run("stock", bread="rye")).output)["loaves"] == 12
        assert error_of(await link.run("ask")) == "Elicitation not supported"
        await link.run("change")
        assert await link.changes() == [*ALL, "more_0"]


async def look_at_answers(link: Linked) -> None:
    """One after the other, over one connection."""
    stock = await link.run("stock", bread="rye")
    assert json.loads(stock.output) == {"bread": "rye", "loaves": 12}
    no_such = await link.run("stock", bread="spelt")
    assert (error_of(no_such), no_such.outcome) == ("there is no spelt", ToolOutcome.FAILED)
    assert json.loads((await link.run("lie")).output) == {"cakes": 3}
    assert (await link.run("picture")).output == "[an image is left out]\na loaf"
    assert "longer than 8192 bytes" in error_of(await link.run("huge"))
    assert "no back-channel" in error_of(await link.run("ask"))


async def test_a_program_has_tools_that_answer_and_change() -> None:
    """It is started, asked, says that it has changed, dies in the middle of a tool, and is started again."""
    async with served("stdio") as server, linked(server) as link:
        assert await link.changes() == ALL
        await look_at_answers(link)
        assert mcp_server.TOKEN in (await link.run("order", bread="rye")).output
        assert (await link.run("change")).output == "changed"
        assert await link.changes() == [*ALL, "more_0"]
        died = await link.run("die")
        assert died.outcome is ToolOutcome.TIMED_OUT
        assert "may have been done" in error_of(died)
        # It forgot what it had learnt; in between the tools were there all the time.
        assert await link.changes() == ALL
        assert link.seen == [ALL, [*ALL, "more_0"], ALL]
        # One that has the same as before has changed nothing.
        await link.run("die")
        assert await until(lambda: bool(link.connection.trouble))
        assert await until(lambda: not link.connection.trouble)
        assert len(link.seen) == 3
        assert (await link.run("fail")).outcome is ToolOutcome.FAILED


@pytest.mark.heavy
async def test_a_server_in_the_network_has_tools_that_answer_and_change() -> None:
    """A tool of it that hangs keeps no other waiting, and its end is one of all that run."""
    async with served("http") as server, linked(server) as link:
        assert await link.changes() == ALL
        await look_at_answers(link)
        assert (await link.run("change")).output == "changed"
        assert await link.changes() == [*ALL, "more_0"]
        hanging = asyncio.create_task(link.run("hang"))
        assert "512" not in (await link.run("fail")).output
        assert "more than 524288 bytes" in error_of(await link.run("endless"))
        await link.run("die")
        assert (await hanging).outcome is ToolOutcome.TIMED_OUT
        assert await link.changes() == []
        assert error_of(await link.run("stock", bread="rye")).endswith("nothing was done")


@pytest.mark.heavy
async def test_a_tool_that_is_given_up_ends_at_the_server() -> None:
    """Whoever waits for it ends it: the connection is as it was."""
    async with served("stdio") as server, linked(server) as link:
        await link.changes()
        await give_up(link)
        assert json.loads((await link.run("stock", bread="rye")).output)["loaves"] == 12


@pytest.mark.heavy
async def test_tools_that_are_given_up_keep_no_connection() -> None:
    """Of a server in the network that is told so, and does not care."""
    async with served("http", "--list", "deaf") as server, linked(server) as link:
        await link.changes()
        for _ in range(3):
            await give_up(link)

        async def held() -> dict[str, int]:
            told: dict[str, int] = json.loads((await link.run("held")).output)
            return told

        async with asyncio.timeout(WAIT_S):
            while await held() != {"held": 0, "given_up": 3}:
                pass  # The server sees in a moment that nobody reads its answers.


async def give_up(link: Linked) -> None:
    """A tool that hangs, once the server has it."""
    hanging = asyncio.create_task(link.run("hang"))
    await link.run("fail")
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


@pytest.mark.heavy
@pytest.mark.parametrize(("way", "tool"), [("http", "flood"), ("stdio", "endless")])
async def test_a_server_that_floods_is_heard_no_more(way: Literal["stdio", "http"], tool: str) -> None:
    """What else the process does goes on meanwhile, and calls keep the tools for when it is back."""
    async with served(way) as server, linked(server) as link:
        await link.changes()
        async with Machine() as machine:
            result = await link.run(tool)
        assert result.outcome.is_fault
        assert link.connection.tools
    late = machine.loop_late_ms
    machine.judge([f"the loop was late by {late:.0f} ms"] if late > 250 else [], tolerates_ms=100)


@pytest.mark.heavy
@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_a_server_that_sends_very_much_is_heard_no_more(
    way: Literal["stdio", "http"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is within its bound."""
    monkeypatch.setattr(bounds, "BYTES_MAX", 20_000)
    async with served(way) as server, linked(server) as link:
        await link.changes()
        assert (await link.run("huge")).outcome.is_fault
        assert await until(lambda: link.connection.trouble == "it has sent more than 19 KiB in 10 s")


@pytest.mark.heavy
async def test_a_server_that_changes_often_is_asked_seldom() -> None:
    """Each change costs every call an update of its session."""
    async with served("stdio") as server, linked(server) as link:
        await link.changes()
        await link.run("flap")
        for _ in range(connection_module.CHANGES_MAX):
            await link.changes()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await link.changes()


@pytest.mark.heavy
async def test_a_list_is_read_to_its_bound() -> None:
    """Page by page; a server may have very many."""
    async with served("stdio", "--list", "many") as server, linked(server) as link:
        assert await link.changes() == [f"tool_{n}" for n in range(TOOLS_MAX)]


@pytest.mark.heavy
async def test_an_entry_that_nobody_can_read_costs_itself_alone() -> None:
    """In the network, as with a program; also one that is too deep for whoever reads the message."""
    async with served("http", "--list", "odd") as server, linked(server) as link:
        assert await link.changes() == ["no_properties", "stock"]
        assert "deep: its schema is more than 32 deep" in link.connection.left_out


@pytest.mark.heavy
async def test_what_is_no_server_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it is not there, with what it has printed last; nobody waits for it, and no tool is there."""
    monkeypatch.setattr(connection_module, "ANSWERS_WITHIN_S", 0.5)
    monkeypatch.setattr(bounds, "MESSAGES_MAX", 20)
    no_server = {
        McpServer.stdio("no-such-program"): "there is no such program or folder: no-such-program",
        McpServer.stdio(
            "sh", args=["-c", "echo the till is broken >&2"]
        ): "it has printed: the till is broken",
        McpServer.stdio(
            "sh", args=["-c", "echo I show $TILL_TOKEN >&2"], env={"TILL_TOKEN": mcp_server.TOKEN}
        ): "it has printed: I show ********",
        McpServer.stdio("yes", args=[""]): "it has sent more than 20 messages in 10 s",
        McpServer.stdio("sleep", args=["60"]): "it has not answered in time",
        McpServer.http("http://127.0.0.1:1/mcp"): "the server cannot be reached",
    }
    for server, why in no_server.items():
        async with linked(server) as link:
            assert await until(lambda: why in link.connection.trouble)  # noqa: B023  # Within the round.
            assert error_of(await link.run("stock")).endswith("nothing was done")


@pytest.mark.heavy
async def test_a_server_that_does_not_let_us_in_is_told_in_words() -> None:
    async with served("http") as server:
        url = str(server.place)
        async with linked(McpServer.http(url)) as link:
            assert await until(lambda: link.connection.trouble == "the server has answered with HTTP 401")


async def test_its_end_is_heeded_where_a_fault_comes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of tasks raises the faults of its tasks in place of the end that it was told of."""

    async def speak(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ExceptionGroup("faults", [OSError("the pipe is broken")])

    monkeypatch.setattr(Connection, "_speak", speak)
    server = McpServer.stdio("no-such-program")
    assert isinstance(server, OurServer)
    life = asyncio.create_task(lasting_module.lasting(Connection(server, lambda: None)))
    await asyncio.sleep(0)
    life.cancel()
    await asyncio.wait([life], timeout=WAIT_S)
    assert life.cancelled()
