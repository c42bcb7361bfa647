"""`callbridge init`: what it makes and what it leaves alone. `testing/test_new_project.py` runs it."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli.init import FILES, InitError, make_project, names_from


def test_it_asks_nothing_and_says_what_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "harbour-bakery"])
    assert result.exit_code == 0
    made = {
        str(path.relative_to("harbour-bakery"))
        for path in Path("harbour-bakery").rglob("*")
        if path.is_file()
    }
    assert made == set(FILES)
    assert all(f"harbour-bakery/{name}" in result.output for name in FILES)
    assert "cd harbour-bakery\n  callbridge test" in result.output
    assert "Harbour Bakery, hello!" in Path("harbour-bakery/agent.py").read_text(encoding="utf-8")
    assert (
        tomllib.loads(Path("harbour-bakery/pyproject.toml").read_text())["project"]["name"]
        == "harbour-bakery"
    )


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    """From the first moment on, whatever the process allows others."""
    before = os.umask(0)
    try:
        make_project(tmp_path / "shop")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shop" / ".env").stat().st_mode) == 0o600


def test_what_is_there_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with other things in it is taken; one with a file of the same name is not touched at all."""
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("mine")
    assert CliRunner().invoke(app, ["init", "."]).exit_code == 0
    Path("agent.py").write_text("mine")
    Path("README.md").unlink()
    result = CliRunner().invoke(app, ["init", "."])
    assert (result.exit_code, "agent.py is there already" in result.output) == (1, True)
    assert Path("agent.py").read_text() == "mine"
    assert not Path("README.md").exists()


def test_a_name_without_letters_is_refused() -> None:
    assert names_from("My_Shop 2")["title"] == "My Shop 2"
    with pytest.raises(InitError, match="has no letter"):
        names_from("___")
