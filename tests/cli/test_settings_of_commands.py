"""Commands and their settings: what is named on the command line, in the environment, in `.env`."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli.call_options import found_settings
from callbridge.server.config.settings import find_variables
from desks import NEEDED
from ports import free_port

TOKEN = "0123456789abcdef" * 2


def test_the_command_line_counts_before_the_environment_and_that_before_the_file(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1\nCALLBRIDGE_HOST=127.0.0.1\nCALLBRIDGE_AGENT=a:b\n")
    only_these.setenv("PORT", "2")
    only_these.setenv("CALLBRIDGE_HOST", "127.0.0.2")
    values = find_variables(options={"PORT": "3"}).values
    assert [values[name] for name in ("PORT", "CALLBRIDGE_HOST", "CALLBRIDGE_AGENT")] == [
        "3",
        "127.0.0.2",
        "a:b",
    ]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--host", "nowhere at all", "CALLBRIDGE_HOST"),
        ("--port", "70000", "PORT must be at most 65535"),
        ("--agent", "no_such_module:agent", "there is no module no_such_module"),
    ],
)
def test_what_serve_is_told_is_judged_as_a_setting(
    only_these: pytest.MonkeyPatch, option: str, value: str, said: str
) -> None:
    port = str(free_port())  # Somebody may have a service at the usual one.
    ended = CliRunner().invoke(app, ["serve", option, value], env=NEEDED | {"COLUMNS": "300", "PORT": port})
    assert ended.exit_code == 1
    assert said in ended.output


def test_the_simulators_find_what_the_service_finds(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found_settings().get("TWILIO_AUTH_TOKEN") is None
    (tmp_path / ".env").write_text(f"TWILIO_AUTH_TOKEN={TOKEN}\n")
    assert found_settings().get("TWILIO_AUTH_TOKEN") == TOKEN
    (tmp_path / ".env").write_text("TWILIO_AUTH_TOKEN='unclosed\n")
    with pytest.raises(typer.BadParameter, match=r"\.env, line 1"):
        found_settings().get("TWILIO_AUTH_TOKEN")
