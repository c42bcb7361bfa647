"""The scenario files of docs/testing.md: read, and played with an agent that answers as they expect."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from callbridge.testing.scenarios.playing import ScenarioPlayer
from callbridge.testing.scenarios.reading import Found, read_scenarios
from documented import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT = """
from callbridge import Agent

agent = Agent(instructions="You answer the telephone of a bakery.", greeting="Good day, this is the bakery.")

@agent.tool
def opening_hours(day: str) -> str:
    '''When the bakery is open.'''
    return "8 to 14"
"""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Found]]:
    """All that the page shows, in a project with its agent."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "agent.py").write_text(AGENT, encoding="utf-8")
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8").partition("\n## Scenario files\n")[2]
    found = []
    for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)):
        path = tmp_path / f"shown-{number}.call.toml"
        path.write_text(text, encoding="utf-8")
        found += read_scenarios(path)
    monkeypatch.chdir(tmp_path)
    yield found
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


def test_the_page_shows_files_that_can_be_read(shown: list[Found]) -> None:
    assert [found.name for found in shown] == ["shown-0", "sunday", "rye bread"]


@pytest.mark.heavy
def test_what_the_page_shows_passes(shown: list[Found]) -> None:
    for found in shown:
        assert ScenarioPlayer.of(found).play(found, found.scenario.seed).failures == (), found.name
