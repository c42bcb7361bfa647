"""`callbridge mcp` itself: what it refuses before anybody asks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

import asked_calls
from callbridge.cli import app
from callbridge.cli.development.folder import NAME
from callbridge.cli.mcp_server import command
from callbridge.cli.mcp_server.asked import SearchedCalls
from callbridge.server.process.listening.listening import tcp_listener
from desks import NEEDED

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.cli.mcp_server.phone import Phone
    from callbridge.cli.mcp_server.tools import PhoneTool

TOKEN = "t" * 32


@pytest.fixture(scope="module")
def records_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('asked')}/records.db"
    asked_calls.record(url)
    return url


def run(records_url: str, *arguments: str, **more: str) -> Result:
    given = NEEDED | {"DATABASE_URL": records_url, "COLUMNS": "300"} | more
    return CliRunner().invoke(app, ["mcp", *arguments], env=given)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--allow", "end,dial"], 2, "'dial' is nothing that can be allowed. There is: end, hand-over"),
        (["--port", "8091"], 2, "are for --http"),
        (["--http", "--host", "0.0.0.0"], 2, "say under which name they reach it"),  # noqa: S104 - refused
        (["--http", "--name", "https://phone.example.com"], 2, "no name of a host alone"),
        (["--http"], 1, "CALLBRIDGE_MCP_TOKEN is not set"),
        (["--url", "http://phone.example.com"], 1, "for everybody to read"),
        (["--dev", "--url", "https://phone.example.com"], 2, "leave out --url and --allow"),
        (["--dev", "--allow", "end"], 2, "leave out --url and --allow"),
    ],
)
def test_what_cannot_be_done_is_said_before_anybody_asks(
    only_these: pytest.MonkeyPatch, records_url: str, arguments: list[str], status: int, said: str
) -> None:
    ended = run(records_url, *arguments)
    assert (ended.exit_code, said in ended.output) == (status, True), ended.output


def test_calls_of_callbridge_dev_are_asked_about_without_a_key(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those in this folder. There is no service beside them."""
    asked: list[object] = []

    def ask(phone: Phone, tools: dict[str, PhoneTool]) -> None:
        found = tools["search_calls"].run(phone, SearchedCalls(words=asked_calls.WORDS))
        asked.extend([list(tools), [call["call_sid"] for call in found.data["calls"]]])

    (tmp_path / NAME).mkdir()
    asked_calls.record(f"sqlite:///{tmp_path}/{NAME}/records.db")
    only_these.chdir(tmp_path)
    only_these.setattr(command, "_serve_stdio", ask)
    ended = CliRunner().invoke(app, ["mcp", "--dev", "--words"])
    assert ended.exit_code == 0, ended.output
    tools = ["list_calls", "read_call", "read_cost", "read_transcript", "search_calls"]
    assert asked == [tools, [asked_calls.ENDED]]


def test_a_token_that_can_be_guessed_is_refused(only_these: pytest.MonkeyPatch, records_url: str) -> None:
    ended = run(records_url, "--http", CALLBRIDGE_MCP_TOKEN=TOKEN[1:])
    assert (ended.exit_code, "at least 32 characters" in ended.output) == (1, True)
    assert TOKEN[1:] not in ended.output


def test_records_that_are_not_there_are_told(only_these: pytest.MonkeyPatch) -> None:
    ended = run("sqlite:////nowhere/records.db")
    assert (ended.exit_code, "There are no records yet" in ended.output) == (1, True)


@pytest.mark.parametrize("arguments", [[], ["--http"]])
def test_without_the_library_it_says_what_to_install(
    only_these: pytest.MonkeyPatch, records_url: str, arguments: list[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"mcp", "mcp_types"}]:
        only_these.delitem(sys.modules, name)
    for name in ("answering", "listening"):
        only_these.delitem(sys.modules, f"callbridge.cli.mcp_server.{name}", raising=False)
    only_these.setitem(sys.modules, "mcp", None)  # So Python marks what is not there.
    only_these.setitem(sys.modules, "mcp_types", None)
    ended = (
        run(records_url, *arguments, "--port", "0", CALLBRIDGE_MCP_TOKEN=TOKEN)
        if arguments
        else run(records_url)
    )
    assert (ended.exit_code, "pip install 'callbridge[mcp]'" in ended.output) == (1, True), ended.output


def test_a_port_that_is_taken_is_told(only_these: pytest.MonkeyPatch, records_url: str) -> None:
    with contextlib.closing(tcp_listener()) as taken:
        port = str(taken.getsockname()[1])
        ended = run(records_url, "--http", "--port", port, CALLBRIDGE_MCP_TOKEN=TOKEN)
    assert (ended.exit_code, f"127.0.0.1 port {port}" in ended.output) == (1, True)
