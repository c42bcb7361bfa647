"""`callbridge simulate model`: what it says to a user who got something wrong."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callbridge.cli.simulate_model import simulate_model

APP = typer.Typer()
APP.command()(simulate_model)


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and everything that was printed, on one line."""
    result = CliRunner().invoke(APP, arguments)
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "explode"), "write KIND[:VALUE][@ANSWER[+MS]]"),
        (("--fault", "abort@9"), "there is no answer 9"),
        (("--script", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--pace", "0"), "--pace"),
    ],
)
def test_a_wrong_option_is_explained(arguments: tuple[str, ...], said: str) -> None:
    code, output = run("--port", "0", *arguments)
    assert code == 2
    assert said in output


def test_a_wrong_script_is_explained_with_its_place(tmp_path: Path) -> None:
    """The field, where it stands, and which fields there are."""
    path = tmp_path / "s.toml"
    path.write_text("[[answer]]\nsay = ['Hi']\nwait = 3\n")
    code, output = run("--port", "0", "--script", str(path))
    assert code == 2
    assert "unknown field `wait` - at `$.answer[0]`; what may stand there: say, calls" in output


def test_a_port_that_is_taken_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, output = run("--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "cannot be used" in output
    assert "try --port 0" in output


async def test_a_report_is_left_when_it_is_stopped(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from callbridge.cli import main; main()", "simulate", "model"),
        *("--port", "0", "--report", str(tmp_path / "report.json")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"accepts any API key" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert json.loads((tmp_path / "report.json").read_text()) == []
