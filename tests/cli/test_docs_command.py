"""`callbridge docs`, and what it prints: each example of the guide is played, each command exists."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli.docs import parts_of
from callbridge.testing import Line
from documented import ROOT, blocks, module_of, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE, AGENTS = "src/callbridge/guide.md", "AGENTS.md"
TEXT = (ROOT / GUIDE).read_text(encoding="utf-8")

LINES_MAX = 400
"""Of the guide. More is not read whole."""


def printed(*arguments: str) -> str:
    """What the command says."""
    result = CliRunner().invoke(app, ["docs", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_guide_is_printed_whole_and_can_be_read_in_one_go() -> None:
    assert printed() == TEXT
    assert len(TEXT.splitlines()) <= LINES_MAX


def test_a_part_is_printed_by_a_word_of_its_heading() -> None:
    assert printed("--list").splitlines() == list(parts_of(TEXT))
    assert printed("Tools").startswith("## Tools: ")
    assert "\n## " not in printed("tools")
    refused = CliRunner().invoke(app, ["docs", "knitting"])
    assert (refused.exit_code, "nothing under 'knitting'" in refused.output) == (1, True)
    assert all(heading in refused.output for heading in parts_of(TEXT))


# --- The examples ---------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("heading", sources(GUIDE))
def test_each_example_of_the_guide_is_a_call_that_passes(heading: str) -> None:
    tests = {name: made for name, made in vars(module_of(GUIDE, heading)).items() if name.startswith("test_")}
    assert tests, "an example without a test proves nothing"
    for test in tests.values():
        _play(test)


def _play(test: Any) -> None:
    line = Line()
    asyncio.run(test(line))
    for call in line.calls:
        call.expect.settle()


# --- The commands ---------------------------------------------------------------------------------------

PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in (
        "*.md",
        "docs/*.md",
        "examples/*.md",
        "src/callbridge/**/*.md",
        "src/callbridge/**/*.md.template",
    )
    for path in ROOT.glob(pattern)
)

_TYPED = re.compile(r"(?:^|&& |\$ |\| |; )(?:\w+=\S+ )*(callbridge [a-z][^|&;#>\n]*)", re.MULTILINE)


def commands_of(page: str) -> Iterator[str]:
    """What stands in the blocks of a page that are to be typed."""
    for language in ("sh", "console"):
        for block in blocks(page, language).values():
            yield from (command.strip() for command in _TYPED.findall(block))


COMMANDS: Any = typer.main.get_command(app)


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands_of(page))])
def test_each_command_that_is_written_exists(page: str) -> None:
    """With these options. Nothing is run."""
    for command in commands_of(page):
        found, rest = _found(shlex.split(command)[1:])
        known = {name for option in found.params for name in (*option.opts, *option.secondary_opts)}
        written = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert written <= known | {"--help"}, command


def _found(words: list[str]) -> tuple[Any, list[str]]:
    """Which command it is, and what it is given."""
    found = COMMANDS
    for number, word in enumerate(words):
        if not hasattr(found, "commands"):
            return found, words[number:]
        if word.startswith("-"):  # `callbridge calls --since 2d` is `callbridge calls list --since 2d`.
            return found.commands["list"], words[number:]
        assert word in found.commands, f"there is no command {word!r} in {' '.join(words)}"
        found = found.commands[word]
    return found, []


@pytest.mark.heavy
@pytest.mark.parametrize("heading", blocks(AGENTS, "sh"))
def test_what_assistants_are_told_to_run_runs(heading: str) -> None:
    """But for the tests among it, which are only found here: they run beside this one."""
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    for command in blocks(AGENTS, "sh")[heading].splitlines():
        run = subprocess.run(  # noqa: S603 - the words of our own file
            ["bash", "-ec", command],  # noqa: S607 - that of the machine
            cwd=ROOT,
            env=os.environ | {"PATH": os.pathsep.join(folders), "PYTEST_ADDOPTS": "--collect-only"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
