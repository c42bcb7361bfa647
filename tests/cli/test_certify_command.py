"""`callbridge certify`: what it says to a user, in words, as a table and by its exit status."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

import callbridge.cli.certify  # noqa: F401 - the package has a function of that name
from callbridge.testing import certifying
from callbridge.testing.certifying import Certificate, CheckReport, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

command = sys.modules["callbridge.cli.certify"]
"""The module: the package offers the command by the same name."""

APP = typer.Typer()
APP.command()(command.certify)


def run(*arguments: str) -> tuple[int, str]:
    """The exit status and everything that was printed, on one line."""
    result = CliRunner(env={"COLUMNS": "250"}).invoke(APP, arguments)
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("https://example.com/voice",), "say so with --yes-this-is-mine"),
        (("localhost:8000",), "give a voice webhook (https://…) or a media socket (wss://…)"),
        (("http://127.0.0.1:1/voice", "--only", "nothing"), "the groups are session, carrier, audio"),
        (("ws://127.0.0.1:1/x", "--parameter", "token"), "must be NAME=VALUE"),
        (("ws://127.0.0.1:1/x", "--tool-arguments", "[1]"), "must be a JSON object"),
        (("ws://127.0.0.1:1/x", "--model-key", __file__), "--model-key needs --model-cert"),
        (("ws://127.0.0.1:1/x", "--model-cert", __file__), "cannot be used as a certificate"),
    ],
)
def test_a_wrong_option_is_explained(arguments: tuple[str, ...], said: str) -> None:
    status, output = run(*arguments)
    assert status == 2
    assert said in output


def test_a_port_that_is_taken_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = run("ws://127.0.0.1:1/x", "--wait", "0", "--model-port", str(taken.getsockname()[1]))
    assert status == 2
    assert "choose another --model-port" in output


def test_a_bridge_that_is_not_there_was_not_certified() -> None:
    """Nothing has passed, and the reason is told; what its environment needs is told before."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    status, output = run("ws://127.0.0.1:1/x", "--model-port", port, "--only", "marks.sent", "--wait", "0")
    assert status == 2
    assert f"CALLBRIDGE_REALTIME_URL=ws://127.0.0.1:{port}/v1/realtime" in output
    assert "not run: 0 passed, 0 failed, 1 not seen" in output
    assert "31902" in output
    assert "look at the address" in output


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs the command on a report that is made up."""
    failed = CheckReport(
        id="marks.sent", severity=Severity.SHOULD, outcome=Outcome.FAILED, asks="marks follow", why="echoes",
        evidence="0 marks | 9 s", numbers={"marks": 0}, notices="a guess", remedy="send some", source="https://x",
    )  # fmt: skip
    report = Certificate(
        verdict="passed",
        url="x",
        callbridge="1",
        made_at="now",
        lasted_s=1,
        sums={"failed": 1},
        checks=[failed],
    )

    async def certified(*_arguments: object, **_options: object) -> Certificate:
        return report

    monkeypatch.setattr(certifying, "certify", certified)
    return lambda *options: run("http://127.0.0.1:1/voice", *options)


def test_a_failed_check_says_what_is_noticed_and_what_to_do(shown: Callable[..., tuple[int, str]]) -> None:
    status, output = shown()
    assert status == 0
    for words in ("marks.sent (should): marks follow", "why echoes", "noticed a guess", "remedy send some"):
        assert words in output
    assert "page https://x" in output


def test_the_table_is_markdown_and_nothing_else(shown: Callable[..., tuple[int, str]]) -> None:
    _, output = shown("--table")
    assert output.startswith("| check | severity | outcome | what was seen | |---|---|---|---|")
    assert output.endswith("| `marks.sent` | should | failed | 0 marks / 9 s |")
