"""What of a server's list becomes tools of the model, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse, ListToolsResult, Tool
from mcp_types.methods import validate_server_result

from callbridge import AgentFault, McpServer
from callbridge.agents.mcp.connection import as_listed
from callbridge.agents.mcp.listing import ALL_BYTES_MAX, TOOLS_MAX, Found, Listed, tools_of
from callbridge.agents.mcp.over_stdio import message_in
from callbridge.agents.mcp.readable import readable
from callbridge.agents.mcp.servers import OurServer
from documented import module_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def found(*listed: Listed | str, **server: Any) -> Found:
    """What comes of a list, of a server like this."""
    ours = McpServer.http("https://till.example/mcp?key=hidden", name="till", **server)
    assert isinstance(ours, OurServer)
    whole = [one if isinstance(one, Listed) else Listed(one, "Does it.", {}) for one in listed]
    return tools_of(ours.handling, whole, lambda name: lambda _arguments, _call: name)


def names(of: Found) -> list[str]:
    return [tool.name for tool in of.tools]


def why(of: Found) -> Iterable[str]:
    return (line.partition(": ")[2] for line in of.left_out)


def test_a_tool_is_as_the_server_lists_it() -> None:
    schema = {"$schema": "x", "type": "object", "properties": {"bread": {"type": "string"}}}
    (tool,) = found(Listed("stock", " How many. ", schema)).tools
    assert tool.definition.description == "How many."
    assert tool.definition.parameters == {"type": "object", "properties": {"bread": {"type": "string"}}}


def test_a_schema_without_properties_gets_some() -> None:
    """A function without them is refused by the model, and with it the session."""
    (tool,) = found("now").tools
    assert tool.definition.parameters == {"type": "object", "properties": {}}


def test_names_fit_the_model_and_differ() -> None:
    """The same name leads to the same one every time, whatever stands around it."""
    long = "a" * 80
    of = found("take order!", "take_order_", long, long + "b", "überfällig")
    assert names(of)[0] == "take_order_"
    assert len(set(names(of))) == 5
    assert all(len(name) <= 64 and name.isascii() for name in names(of))
    assert names(found(long)) == [names(of)[2]]


def test_a_prefix_stands_before_them() -> None:
    assert names(found("stock", prefix="till_")) == ["till_stock"]


@pytest.mark.parametrize("chosen", [["stock"], lambda name: name.startswith("st")])
def test_only_what_was_chosen_is_there(chosen: Any) -> None:
    of = found("stock", "pay", tools=chosen)
    assert names(of) == ["stock"]
    assert of.left_out == ()


def test_each_is_run_as_the_agent_says() -> None:
    of = found(
        "stock", "pay", confirm=["pay"], irreversible=["pay"], timeout_s=5, while_running="One moment."
    )
    stock, pay = (tool.manner for tool in of.tools)
    assert (stock.is_confirmed, stock.is_irreversible) == (False, False)
    assert (pay.is_confirmed, pay.is_irreversible, pay.timeout_s, pay.while_running) == (
        True,
        True,
        5,
        "One moment.",
    )
    assert all(tool.manner.is_confirmed for tool in found("stock", "pay", confirm=True).tools)


def test_a_name_that_is_no_tools_is_told() -> None:
    """Or one that is misspelt, or has another name by now, would run without being confirmed."""
    of = found("pay", confirm=["pya"], irreversible=["pay"])
    assert (names(of), of.left_out) == (
        ["pay"],
        ("pya: the agent names it, and the server lists no such tool",),
    )


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string"}, "must be of type object"),
        ({"type": "object", "anyOf": []}, "must be of type object"),
        ({"properties": {"x": {"type": "array"}}}, "array of parts that differ"),
        ({"properties": {"x": {"type": "telephone"}}}, "JSON Schema does not know"),
        ({"properties": ["x"]}, "no JSON Schema"),
        ({"properties": {"x": {"type": {}}}}, "no JSON Schema"),
        ({"properties": {"x": {"anyOf": 3}}}, "no JSON Schema"),
        ({"properties": {"x": {"default": float("nan")}}}, "no JSON form"),
        ({"description": "x" * 9000}, "more than 8192 bytes"),
    ],
)
def test_what_the_model_would_refuse_is_left_out(schema: dict[str, Any], reason: str) -> None:
    of = found(Listed("odd", "", schema), "stock")
    assert names(of) == ["stock"]
    assert reason in next(iter(why(of)))


def test_a_schema_without_an_end_is_left_out() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(900):
        schema = {"items": schema}
    of = found(Listed("deep", "", {"properties": {"x": schema}}))
    assert list(why(of)) == ["its schema is more than 32 deep"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("stock", "it is no object"),
        ({"inputSchema": {}}, "it has no name"),
        ({"name": "", "inputSchema": {}}, "it has no name"),
        ({"name": "x" * 129, "inputSchema": {}}, "more than 128 characters"),
        ({"name": "odd", "description": ["How many."], "inputSchema": {}}, "description is no text"),
        ({"name": "odd"}, "it has no schema"),
        ({"name": "odd", "inputSchema": {"type": "string"}}, "must be of type object"),
        ({"name": "odd", "inputSchema": {"properties": {"x": 3}}}, "the properties in its schema are none"),
        ({"name": "odd", "inputSchema": {"required": "x"}}, "no list of names"),
        ({"name": "odd", "inputSchema": {"x-mcp-header": "X"}}, "x-mcp-header"),
    ],
)
@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25", "2026-07-28"])
def test_an_entry_that_nobody_can_read_costs_itself_alone(entry: Any, reason: str, version: str) -> None:
    """The library would refuse the whole list for most of these; what it reads it reads as we do."""
    fine = {
        "name": "stock",
        "title": 3,
        "annotations": "none",
        "inputSchema": {"$schema": 3, "properties": None},
    }
    about = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
    answer = JSONRPCResponse(jsonrpc="2.0", id=1, result={"tools": [entry, fine], **about})
    readable(SessionMessage(answer))
    validate_server_result("tools/list", version, answer.result)
    result = ListToolsResult.model_validate(answer.result, by_name=False)
    of = found(*map(as_listed, result.tools))
    assert names(of) == ["stock"]
    (line,) = of.left_out
    assert reason in line
    assert len(line) < 300


@pytest.mark.parametrize("deep", [33, 300, 5_000])
def test_an_entry_that_is_too_deep_costs_itself_alone(deep: int) -> None:
    """Also where it is so deep that the reader of JSON would take the whole list for none."""
    nested = b'{"items":' * deep + b"1" + b"}" * deep
    deep_tool = b'{"name":"deep","inputSchema":{"properties":{"x":%b}}}' % nested
    fine = rb'{"name":"stock","description":"\ud83d","inputSchema":{},"outputSchema":%b}' % nested
    answer = readable(message_in(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[%b,%b]}}' % (deep_tool, fine)))
    assert isinstance(answer, SessionMessage)
    assert isinstance(answer.message, JSONRPCResponse)
    of = found(*map(as_listed, map(Tool.model_validate, answer.message.result["tools"])))
    assert names(of) == ["stock"]
    assert of.left_out == ("deep: its schema is more than 32 deep",)


def test_what_a_tool_answers_is_whole_or_unreadable() -> None:
    """What was cut out of it, the model would never know."""
    nested = b'{"items":' * 300 + b"1" + b"}" * 300
    answer = message_in(b'{"jsonrpc":"2.0","id":1,"result":{"structuredContent":%b}}' % nested)
    assert isinstance(answer, ValueError)


def test_what_is_listed_twice_is_there_once() -> None:
    """Whichever was meant, the server would be asked for the same name."""
    of = found("stock", Listed("pay", "", {"type": "string"}), "stock", "pay", "stock")
    assert names(of) == ["stock", "pay"]
    assert list(of.left_out)[1:] == ["stock: it is listed more than once; the first one counts"] * 2


def test_there_are_no_more_than_a_session_takes() -> None:
    of = found(*(f"tool_{n}" for n in range(200)))
    assert len(of.tools) == TOOLS_MAX
    assert len(of.left_out) == 200 - TOOLS_MAX
    large = found(*(Listed(f"tool_{n}", "", {"description": "x" * 8000}) for n in range(20)))
    assert len(large.tools) == ALL_BYTES_MAX // 8192


def test_a_description_is_cut() -> None:
    (tool,) = found(Listed("stock", "x" * 5000, {})).tools
    assert tool.definition.description == "x" * 1024 + " …"


def test_the_page_names_servers_that_can_be_so() -> None:
    example = module_of("docs/mcp.md", "Servers that callbridge connects to")
    orders, till = example.agent.our_servers
    assert (orders.name, str(till)) == ("orders.bakery.example", "<McpServer till: till>")
    assert orders.handling.manner_of("cancel_order").is_confirmed
    theirs = module_of("docs/mcp.md", "Servers that the model's side connects to")
    assert [server.name for server in theirs.agent.models_servers] == ["orders"]


class TestServers:
    def test_nobody_who_prints_one_finds_a_secret(self) -> None:
        secret = "hidden-till-token"
        shown = [
            McpServer.http(f"https://till.example/mcp?key={secret}", headers={"Authorization": secret}),
            McpServer.stdio("/usr/bin/till", args=["--key", secret], env={"TOKEN": SecretStr(secret)}),
        ]
        assert [str(one) for one in shown] == [
            "<McpServer till.example: https://till.example/mcp>",
            "<McpServer till: till>",
        ]

    def test_two_that_are_alike_are_one(self) -> None:
        """An agent that was loaded anew has the connection of the one before."""
        one, same, other = (
            McpServer.stdio("till", env={"TOKEN": token}, tools=["stock"]) for token in ("a", "a", "b")
        )
        assert one == same
        assert hash(one) == hash(same)
        assert one != other

    @pytest.mark.parametrize(
        ("url", "fault"),
        [
            ("ftp://till.example", "write an address"),
            ("https://", "write an address"),
            ("https://till.example:port/", "no address"),
            ("https://me:secret@till.example/", "no password"),
        ],
    )
    def test_an_address_that_cannot_be_asked_is_refused(self, url: str, fault: str) -> None:
        with pytest.raises(AgentFault, match=fault) as raised:
            McpServer.http(url)
        assert "secret" not in str(raised.value)

    def test_what_cannot_be_so_is_refused(self) -> None:
        with pytest.raises(AgentFault, match="a name has at most 48"):
            McpServer.stdio("till", name="the till")
        with pytest.raises(AgentFault, match="at most 24 letters"):
            McpServer.stdio("till", prefix="the till")
        with pytest.raises(AgentFault, match="set it above 0, to 12"):
            McpServer.stdio("till", timeout_s=13)
        with pytest.raises(AgentFault, match="pya stands in confirm="):
            McpServer.stdio("till", tools=["pay"], confirm=["pya"])
        with pytest.raises(AgentFault, match="name the program"):
            McpServer.stdio("")
