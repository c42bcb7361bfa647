"""The examples of docs/bring-your-agent.md, and that of the README: other people's agents, called."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.testing import Calls, Line
from documented import example, module_of, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")
if not all(map(find_spec, ("mcp_types", "langgraph"))):
    pytest.skip("pip install 'callbridge[mcp,examples]'", allow_module_level=True)

PAGE = "docs/bring-your-agent.md"
SDK, MCP, LANGGRAPH = "OpenAI Agents SDK", "MCP servers", "LangGraph, and anything that answers text"


@pytest.mark.heavy
def test_each_example_is_played() -> None:
    assert set(sources(PAGE)) == {SDK, MCP, LANGGRAPH}


@pytest.mark.heavy
async def test_an_agent_of_the_sdks_documentation_answers(line: Line) -> None:
    agent = module_of(PAGE, SDK).agent
    call = await line.call(agent, caller=["What can you do?"], model=["Hello!", "I answer the telephone."])
    call.expect.heard("I answer the telephone")
    call.expect.no_complaints()


def test_an_agent_has_an_mcp_server() -> None:
    agent: Any = module_of(PAGE, MCP).agent
    (server,) = agent.mcp_servers
    assert "orders.bakery.example" in repr(server)


@pytest.fixture
def my_graph() -> Iterator[ModuleType]:
    """The user's own module, with the graph of the example."""
    module = ModuleType("my_graph")
    vars(module)["graph"] = example("langgraph_agent").graph
    sys.modules["my_graph"] = module
    yield module
    del sys.modules["my_graph"]


@pytest.mark.heavy
async def test_a_graph_is_asked(line: Line, my_graph: ModuleType) -> None:
    call = await line.call(
        module_of(PAGE, LANGGRAPH).agent,
        caller=["Are there nuts in your rye bread?", "Is it vegan?"],
        model=[
            Calls("ask_the_office", question="Are there nuts in the rye bread?"),
            "There are none.",
            Calls("ask_the_office", question="Is it vegan?"),
            "Yes, it is.",
        ],
    )
    call.expect.heard("Let me ask.")
    call.expect.tool("ask_the_office", question="Is it vegan?").returned("About the rye: yes.")
    call.expect.no_complaints()


@pytest.mark.heavy
async def test_the_readmes_office_is_asked(line: Line) -> None:
    agent = module_of("README.md", "Write an agent").agent  # The `bakery` that its example imports.
    module_of("README.md", "Bring your agent")
    call = await line.call(
        agent,
        caller=["Are there nuts in your bread?"],
        model=[Calls("ask_the_office", question="Has any bread nuts?"), "None of it."],
    )
    call.expect.tool("ask_the_office").returned("No, none of our bread has nuts.")
    call.expect.no_complaints()
