"""What docs/mcp-server.md has to be copied for assistants: it is what they read, and its commands exist.

The makers' documents, as of November 2026: https://code.claude.com/docs/en/mcp,
https://modelcontextprotocol.io/quickstart/user (Claude Desktop), https://cursor.com/docs/mcp,
https://code.visualstudio.com/docs/copilot/reference/mcp-configuration, https://developers.openai.com/codex/mcp
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import typer

from callbridge.cli import app
from callbridge.cli.mcp_server.command import PORT
from documented import ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "docs/mcp-server.md"
ADDRESS = f"http://127.0.0.1:{PORT}/mcp"
COMMAND: Any = typer.main.get_command(app)
STDIO, HTTP = "Connect an assistant", "By HTTP"


def objects(heading: str) -> Iterator[dict[str, Any]]:
    """The JSON documents under a heading."""
    text = blocks(PAGE, "json")[heading].strip()
    while text:
        found, end = json.JSONDecoder().raw_decode(text)
        yield found
        text = text[end:].strip()


def added(heading: str) -> Iterator[list[str]]:
    """What `claude mcp add` is told under a heading."""
    for line in blocks(PAGE, "sh")[heading].splitlines():
        if (words := shlex.split(line))[:3] == ["claude", "mcp", "add"]:
            yield words[3:]


def commands() -> Iterator[list[str]]:
    """Every command that an assistant starts."""
    for document in objects(STDIO):
        for server in (document.get("mcpServers") or document["servers"]).values():
            yield [server["command"], *server["args"]]
    codex = tomllib.loads(blocks(PAGE, "toml")[STDIO])["mcp_servers"]
    yield from ([server["command"], *server["args"]] for server in codex.values())
    for told in added(STDIO):
        name, end_of_options, *command = told
        assert (name, end_of_options) == ("phone", "--")
        yield command
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    yield from map(
        shlex.split, re.findall(r"^\| [^|]+ \| `([^`]*callbridge mcp[^`]*)` \|$", page, re.MULTILINE)
    )


def test_each_command_that_an_assistant_starts_is_understood() -> None:
    """Also where a shell stands between them, here or on another machine."""
    parsed = []
    for words in commands():
        through_a_shell = words[0] in {"sh", "ssh"}
        typed = shlex.split(words[-1].partition("&&")[2]) if through_a_shell else words
        name, *options = typed[typed.index("callbridge") + 1 :]
        with COMMAND.commands[name].make_context(name, options) as context:
            parsed.append((name, context.params["is_of_dev"], context.params["words"]))
    assert parsed.count(("mcp", False, False)) == 7
    assert parsed.count(("mcp", True, True)) == 1
    assert len(parsed) == 8


def test_each_assistant_finds_it_by_http_and_shows_the_token() -> None:
    (claude,) = added(HTTP)
    assert claude[:4] == ["--transport", "http", "phone", ADDRESS]
    assert claude[4:] == ["--header", "Authorization: Bearer $CALLBRIDGE_MCP_TOKEN"]
    (codex,) = tomllib.loads(blocks(PAGE, "toml")[HTTP])["mcp_servers"].values()
    assert codex == {"url": ADDRESS, "bearer_token_env_var": "CALLBRIDGE_MCP_TOKEN"}
    (code,) = objects(HTTP)
    (asked,), (server,) = code["inputs"], code["servers"].values()
    assert (asked["type"], asked["password"]) == ("promptString", True)
    assert server == {
        "type": "http",
        "url": ADDRESS,
        "headers": {"Authorization": f"Bearer ${{input:{asked['id']}}}"},
    }


@pytest.mark.parametrize("option", ["--words", "--allow", "--url", "--http", "--name", "--dev"])
def test_each_option_stands_on_the_page(option: str) -> None:
    assert option in {name for param in COMMAND.commands["mcp"].params for name in param.opts}
    assert option in (ROOT / PAGE).read_text(encoding="utf-8")
