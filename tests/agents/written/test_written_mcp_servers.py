"""What an agent's file says of MCP servers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from callbridge import McpServer
from callbridge.agents.fault import AgentError
from callbridge.agents.mcp import servers
from callbridge.agents.written.mcp_tables import WrittenAddress, WrittenOfTheModel, WrittenProgram
from callbridge.agents.written.reading import read_agent

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent
    from callbridge.agents.written.tables import Written

pytest.importorskip("mcp")

FILE = """
who = "You answer for a shop."

[[mcp_servers]]
type = "http"
url = "https://orders.bakery.example/mcp"
headers = { Authorization = "Bearer ${ORDERS_KEY}" }
tools = ["find_order", "cancel_order"]
confirm = ["cancel_order"]
irreversible = ["cancel_order"]
while_running = "I'm looking that up."

[[mcp_servers]]
type = "stdio"
command = "till"
args = ["--shop", "harbour"]
env = { TILL_KEY = "${TILL_KEY}", TILL_SHOP = "harbour" }
cwd = "/srv/till"
prefix = "till_"
confirm = true
timeout_s = 5
waiting_sound = true

[[mcp_servers]]
type = "of_the_model"
label = "stock"
url = "https://stock.bakery.example/mcp"
authorization = "${STOCK_TOKEN}"
description = "What is in stock."
allowed_tools = ["find"]
require_approval = "always"
"""

ENVIRONMENT = {"ORDERS_KEY": "ok-live-4711", "TILL_KEY": "tk-live-4711", "STOCK_TOKEN": "st-live-4711"}


def read(folder: Path, text: str = FILE) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, ENVIRONMENT).agent


def test_a_file_names_servers_as_python_does(tmp_path: Path) -> None:
    assert read(tmp_path).mcp_servers == (
        McpServer.http(
            "https://orders.bakery.example/mcp",
            headers={"Authorization": SecretStr("Bearer ok-live-4711")},
            tools=["find_order", "cancel_order"],
            confirm=["cancel_order"],
            irreversible=["cancel_order"],
            while_running="I'm looking that up.",
        ),
        McpServer.stdio(
            "till",
            args=["--shop", "harbour"],
            env={"TILL_KEY": SecretStr("tk-live-4711"), "TILL_SHOP": "harbour"},
            cwd="/srv/till",
            prefix="till_",
            confirm=True,
            timeout_s=5,
            waiting_sound=True,
        ),
        McpServer.of_the_model(
            "stock",
            url="https://stock.bakery.example/mcp",
            authorization=SecretStr("st-live-4711"),
            description="What is in stock.",
            allowed_tools=["find"],
            require_approval="always",
        ),
    )


@pytest.mark.parametrize(
    ("make", "table"),
    [
        (McpServer.http, WrittenAddress),
        (McpServer.stdio, WrittenProgram),
        (McpServer.of_the_model, WrittenOfTheModel),
    ],
)
def test_a_table_has_the_keys_that_python_has(make: Any, table: type[Written]) -> None:
    assert {*table.model_fields} - {"type"} == {*inspect.signature(make).parameters}


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ('"Bearer ${ORDERS_KEY}"', '"Bearer ok"', "mcp_servers[1].headers.Authorization: keep the secret in"),
        ("${ORDERS_KEY}", "${NO_KEY}", "line 7, mcp_servers[1].headers.Authorization: NO_KEY must be set in"),
        ("Authorization =", 'X-Shop-Key = "sk", Authorization =', "headers.X-Shop-Key: keep the secret in"),
        ('"${TILL_KEY}"', '"tk-live-1"', "mcp_servers[2].env.TILL_KEY: keep the secret in the environment"),
        ('"harbour"]', '"${TILL_KEY}"]', "line 16, mcp_servers[2].args: no secret stands in an argument"),
        ('"${STOCK_TOKEN}"', '"st-live-1"', "mcp_servers[3].authorization: keep the secret"),
        ("/mcp", "/${ORDERS_KEY}/mcp", "line 6, mcp_servers[1].url: an address is shown"),
        ("https://orders", "ftp://orders", "line 4, mcp_servers[1]: write an address such as https://tools"),
        ("https://stock", "http://stock", "line 24, mcp_servers[3]: OpenAI reaches it by https://"),
        (
            'irreversible = ["c',
            'irreversible = ["C',
            "[1]: Cancel_order stands in confirm=",
        ),
        ('prefix = "till_"', 'prefix = "till."', "mcp_servers[2]: prefix='till.': at most 24 letters"),
        (
            'command = "till"',
            'command = "orders.bakery.example"',
            "[2]: there are two MCP",
        ),
        ('label = "stock"', 'label = "1"', "line 26, mcp_servers[3].label: write a letter, and at most 39"),
        ('type = "http"', 'type = "sse"', "line 4, mcp_servers[1]: `type` is one of 'stdio', 'http'"),
        ('type = "http"', "", "line 4, mcp_servers[1]: say `type`"),
        ('command = "till"', 'program = "till"', "mcp_servers[2].program: there is no such key"),
        ('url = "https://orders', 'uri = "https://orders', "there is no such key; did you mean url?"),
        ("confirm = true", 'confirm = "all"', "mcp_servers[2].confirm: it should be a valid list"),
        (
            "timeout_s = 5",
            "timeout_s = 13",
            "[2].timeout_s: it should be less than or equal to 12",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, part: str, instead: str, why: str) -> None:
    assert part in FILE
    with pytest.raises(AgentError) as found:
        read(tmp_path, FILE.replace(part, instead, 1))
    assert why in str(found.value)
    assert "live-4711" not in str(found.value)


def test_without_the_extra_it_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    with pytest.raises(AgentError, match=r"line 13, mcp_servers\[2\]: .*pip install 'callbridge\[mcp\]'"):
        read(tmp_path)
