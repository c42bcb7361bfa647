"""`callbridge` itself: what every command has."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from callbridge.cli import app

COMMANDS = [
    [],
    ["serve"],
    ["check"],
    ["drain"],
    ["demo"],
    ["simulate"],
    ["simulate", "call"],
    ["simulate", "model"],
]


def test_the_version_is_told() -> None:
    ended = CliRunner().invoke(app, ["--version"])
    assert (ended.exit_code, ended.output) == (0, f"callbridge {version('callbridge')}\n")


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
