"""`callbridge` itself: what every command has."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [
    [],
    ["serve"],
    ["check"],
    ["drain"],
    ["demo"],
    ["simulate"],
    ["simulate", "call"],
    ["simulate", "calls"],
    ["simulate", "model"],
    ["agent"],
    ["agent", "show"],
    ["mcp"],
    ["number"],
    *[["number", name] for name in ("list", "available", "buy", "point", "restore", "probe")],
]


def test_the_version_is_told() -> None:
    ended = CliRunner().invoke(app, ["--version"])
    assert (ended.exit_code, ended.output) == (0, f"callbridge {version('callbridge')}\n")


@pytest.mark.parametrize(
    "command",
    [
        ["demo", "--save"],
        ["simulate", "call", "http://127.0.0.1:9/", "--save"],
        ["simulate", "model", "--port", "0", "--report"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("name", "words"), [("nowhere/file", "cannot be written"), (".", "is a folder")])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_played(
    command: list[str], name: str, words: str, tmp_path: Path
) -> None:
    ended = CliRunner().invoke(app, [*command, str(tmp_path / name)], env={"COLUMNS": "300"})
    assert (ended.exit_code, words in ended.output) == (2, True), ended.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_short_to_ask_for_and_fills_its_lines(command: list[str]) -> None:
    """No line of a paragraph is broken before the terminal's width makes it."""
    asked = [
        CliRunner().invoke(app, [*command, option], env={"COLUMNS": "300"}) for option in ("-h", "--help")
    ]
    assert [ended.exit_code for ended in asked] == [0, 0]
    assert asked[0].output == asked[1].output
    text = asked[0].output.partition("╭")[0]
    sentences = [line.strip() for line in text.splitlines() if line.strip() and "Usage:" not in line]
    assert all(line.endswith((".", ":")) for line in sentences), sentences
