"""`callbridge forget`: deletes what is remembered of a caller, and says what it did."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.server.process.desk import caller_key
from callbridge.state.callers import CallerRecord
from callbridge.state.opening import open_state
from callbridge.state.state import Retention
from desks import NEEDED, made_settings

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "+14155550100"


def remember(path: Path, caller: str = NUMBER, agents: int = 1) -> None:
    """A service has remembered something of this caller, and has ended."""
    state = open_state(path, retention=Retention(callers_s=3600.0))
    key = caller_key(made_settings(), caller)

    async def write() -> None:
        for number in range(agents):
            state.remember(key, f"agent {number}", CallerRecord(time.time(), b"secret words"))
        await state.close()

    asyncio.run(write())


def forgotten(number: str, path: Path | str = "") -> tuple[int, str]:
    """Exit status and what is said."""
    given = NEEDED | {"CALLBRIDGE_STATE_PATH": str(path)}
    ended = CliRunner().invoke(app, ["forget", number], env=given)
    return ended.exit_code, ended.output.strip()


@pytest.mark.parametrize("spelt", [NUMBER, "+1 415 555-0100", "+1 (415) 555.0100", "14155550100"])
def test_a_caller_is_forgotten(only_these: pytest.MonkeyPatch, tmp_path: Path, spelt: str) -> None:
    """By all agents, however the number is spelt; a second time there is nothing left."""
    path = tmp_path / "state.db"
    remember(path, agents=2)
    status, said = forgotten(spelt, path)
    assert status == 0
    assert said.endswith(" is deleted: 2 records")
    assert b"secret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert forgotten(spelt, path)[1].startswith("nothing is remembered of ")


def test_other_callers_stay(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    remember(path, "client:anna")
    assert forgotten(NUMBER, path) == (0, f"nothing is remembered of {NUMBER}")
    assert forgotten("client:anna", path) == (0, "what is remembered of client:anna is deleted: 1 record")


@pytest.mark.parametrize(
    ("number", "file", "said"),
    [
        ("anna", "state.db", "+14155550100"),
        ("anonymous", "state.db", "+14155550100"),
        (NUMBER, "", "CALLBRIDGE_STATE_PATH is not set"),
        (NUMBER, "nowhere.db", "There is no state file"),
        (NUMBER, "letter.txt", "no SQLite file"),
    ],
)
def test_what_cannot_be_done_is_said(
    only_these: pytest.MonkeyPatch, tmp_path: Path, number: str, file: str, said: str
) -> None:
    """And no file is made."""
    (tmp_path / "letter.txt").write_text("Dear aunt, " * 100)
    status, text = forgotten(number, tmp_path / file if file else "")
    assert status == 1
    assert said in text
    assert not (tmp_path / "nowhere.db").exists()
