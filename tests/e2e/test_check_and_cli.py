"""The command line as a user meets it: help, the judgement of a configuration, refusals in words."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from e2e.commands import run
from ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "OPENAI_API_KEY": "sk-made-up-key-that-is-long-enough",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "PUBLIC_BASE_URL": "https://calls.example.com",
    "CALLBRIDGE_HOST": "127.0.0.1",
}


async def test_commands_in_a_process_of_their_own(tmp_path: Path) -> None:
    """Exit status 1 for no configuration, 2 for a wrong command; 0 for a good one: `test_live_check.py`."""
    others = {"LANGUAGE": "en_US:en", "HOST": "x", "AGENT": "y"}
    nothing, unknown = await asyncio.gather(run(tmp_path, "check", variables=others), run(tmp_path, "answer"))
    assert (nothing.status, unknown.status) == (1, 2), (nothing, unknown)
    for name in ("OPENAI_API_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "PUBLIC_BASE_URL"):
        assert name in nothing.stdout
    assert not any("Traceback" in ended.stderr for ended in (nothing, unknown))


@pytest.mark.heavy  # Processes, which take their time to start.
@pytest.mark.parametrize(
    ("command", "tool", "words"),
    [
        ("serve", "def hours() -> str:\n    'Hours.'\n    yield 'nine'", "tool hours: it is a generator"),
        ("check", "def hours(days: tuple[int, str]) -> str:\n    'Hours.'", "tool hours: days is an array"),
        ("check", "raise SystemExit(0)", "SystemExit(0)"),
        ("serve", "raise SystemExit(0)", "SystemExit(0)"),
    ],
    ids=["a generator", "a schema that is refused", "the end of a check", "the end of the process"],
)
async def test_an_agent_whose_tools_cannot_work_is_refused_at_start(
    command: str, tool: str, words: str, tmp_path: Path
) -> None:
    """Not in the first call, and not with status 0."""
    (tmp_path / "bakery.py").write_text(
        f"from callbridge import Agent\nagent = Agent()\n@agent.tool\n{tool}\n"
    )
    if not tool.startswith("def"):
        (tmp_path / "bakery.py").write_text(f"{tool}\n")
    variables = GOOD | {"CALLBRIDGE_AGENT": "bakery:agent", "PORT": str(free_port()), "COLUMNS": "300"}
    ended = await run(tmp_path, command, variables=variables)
    assert ended.status == 1
    assert words in ended.stdout + ended.stderr, ended
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PUBLIC_BASE_URL": "http://calls.example.com"}, ("PUBLIC_BASE_URL", "https")),
        ({"TWILIO_ACCOUNT_SID": "AC123"}, ("TWILIO_ACCOUNT_SID",)),
        ({"CALLBRIDGE_VAD_THRESHOLD": "loud"}, ("CALLBRIDGE_VAD_THRESHOLD",)),
        ({"CALLBRIDGE_AGENT": "no_such_module:agent"}, ("CALLBRIDGE_AGENT", "no_such_module")),
        ({"CALLBRIDGE_STATE_PATH": "nowhere/calls.sqlite3"}, ("state file nowhere/calls.sqlite3", "folder")),
        ({"CALLBRIDGE_CLIP": "nowhere.wav"}, ("CALLBRIDGE_CLIP=nowhere.wav", "cannot be read")),
        ({"PUBLIC_BASE_URL": "https://münchen.example"}, ("PUBLIC_BASE_URL", "xn--mnchen-3ya.example")),
        ({"TWILIO_AUTH_TOKEN": "sk-proj-1"}, ("TWILIO_AUTH_TOKEN", "a key of OpenAI")),
        ({"CALLBRIDGE_REALTIME_URL": "wss://x.example/\r\nv1"}, ("CALLBRIDGE_REALTIME_URL", "line break")),
        (
            {"CALLBRIDGE_VALIDATE_SIGNATURES": "false", "CALLBRIDGE_HOST": "::"},
            ("CALLBRIDGE_VALIDATE_SIGNATURES",),
        ),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_configuration_is_refused_in_words(
    command: str,
    variables: dict[str, str],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """`check` and `serve` name the variable and end with 1; neither shows a traceback."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    ended = CliRunner().invoke(
        app, [command], env=GOOD | {"PORT": str(free_port()), "COLUMNS": "200"} | variables
    )
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit)
    assert all(word in ended.output for word in words), ended.output


BAD_FILE = """\
CALLBRIDGE_AGENT_GREETING=Welcome to shop #1
CALLBRIDGE_APOLOGY='We're sorry'
and so on
CALLBRIDGE_GOODBYE="Bye
SPEND_PER_DAY=50
CALLBRIDGE_REALTIME_VOISE=cedar
PORT=http
"""


def test_faults_of_the_env_file_are_told_by_every_command_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the file, the line and the name that was meant; the other lines are read."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    lines = [f"{name}={value}\n" for name, value in GOOD.items()]
    (tmp_path / ".env").write_text(BAD_FILE + "".join(lines))
    (tmp_path / ".env").chmod(0o622)
    outputs = []
    for command in ("check", "serve", "drain"):
        ended = CliRunner().invoke(app, [command], env={"COLUMNS": "200"})
        assert (ended.exit_code, type(ended.exception)) == (1, SystemExit)
        outputs.append(ended.output)
    assert outputs[0] == outputs[1] == outputs[2]
    told = [line for line in outputs[0].splitlines() if not line.startswith(" " * 9)]
    assert [line.split("  ", 1)[1].split(",")[:2] for line in map(str.lstrip, told)] == [
        [".env can be changed by every user of this machine", " who could send your calls elsewhere."],
        ["CALLBRIDGE_AGENT_GREETING (.env", " line 1) has a # in it"],
        ["CALLBRIDGE_APOLOGY (.env", " line 2) goes on behind its closing '."],
        [".env", " line 3 cannot be read."],
        ["CALLBRIDGE_GOODBYE (.env", ' line 4) begins with "'],
        ["CALLBRIDGE_REALTIME_VOISE (.env", " line 6) is no setting."],
        ["PORT (.env", " line 7) must be a whole number."],
        ["SPEND_PER_DAY (.env", " line 5) is no setting of callbridge."],
    ]
    for name in ("CALLBRIDGE_REALTIME_VOICE", "CALLBRIDGE_SPEND_PER_DAY_MAX"):
        assert f"Did you mean {name}?" in outputs[0]


@pytest.mark.parametrize("where", ["environment", ".env"])
@pytest.mark.parametrize("command", ["serve", "check", "drain"])
def test_a_name_that_no_setting_has_is_refused_by_every_command(
    command: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A misspelt limit is told with the name that was meant, and where it stands. What lacks our prefix is
    only doubted, and what desktops set for themselves not even that.
    """
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    given = {"CALLBRIDGE_CALL_MAX": "5", "LANGUAGE": "en_US:en", "SPEND_PER_DAY_MAX": "5"}
    places = ("", "")
    if where == ".env":
        del given["LANGUAGE"]
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
        (tmp_path / ".env").chmod(0o600)
        given, places = {}, (" (.env, line 1)", " (.env, line 2)")
    ended = CliRunner().invoke(
        app, [command], env=GOOD | {"PORT": str(free_port()), "COLUMNS": "200"} | given
    )
    assert ended.exit_code == 1
    lines = ended.output.split("\n")
    assert [line.strip() for line in lines if line] == [
        f"wrong  CALLBRIDGE_CALL_MAX{places[0]} is no setting.",
        "Did you mean CALLBRIDGE_CALLS_MAX?",
        f"warning  SPEND_PER_DAY_MAX{places[1]} is no setting of callbridge.",
        "Did you mean CALLBRIDGE_SPEND_PER_DAY_MAX?",
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ("demo", "serve", "check", "simulate")),
        (["simulate"], ("call", "model")),
        (["simulate", "call"], ("--say", "--delay-ms", "--jitter-ms", "--interrupt", "--vanish-after")),
        (["simulate", "model"], ("--port", "--script", "--fault")),
        (["demo"], ("--json", "--save")),
    ],
)
def test_help_names_what_there_is(command: list[str], words: tuple[str, ...]) -> None:
    """Each command says what it is for and what it takes."""
    ended = CliRunner().invoke(
        app, [*command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    )
    assert ended.exit_code == 0
    assert all(word in ended.output for word in words), ended.output
