"""The button of the pages that makes a test of a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import stories
from callbridge import Agent
from callbridge.agents.choosing.gathering import roster_of
from callbridge.cli.development.freezing import CallFreezing, named_for_tests
from callbridge.console.sources import SourceError
from callbridge.testing.scenarios.reading import read_scenarios

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_leaves_a_test_in_the_project_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = SimpleNamespace(agent="bakery:agent")
    desk: Any = SimpleNamespace(records=None, plans=SimpleNamespace(roster=roster_of(Agent())), settings=told)
    frozen = await CallFreezing(desk).freeze(stories.RICH, None)
    assert frozen.path == "tests/call-abcdef.call.toml"
    assert frozen.command == f"callbridge test {frozen.path}"
    assert "The caller was not recorded" in frozen.remark
    (found,) = read_scenarios(tmp_path / frozen.path)
    assert found.scenario.expect.ended_by == "agent"
    assert found.scenario.agent == "bakery:agent"
    with pytest.raises(SourceError, match="is there already"):
        await CallFreezing(desk).freeze(stories.RICH, None)


@pytest.mark.parametrize(
    ("told", "in_env", "named"),
    [
        ("bakery:agent", "", "bakery:agent"),
        ("bakery:agent", "bakery:agent", ""),
        ("bakery:agent", "other:agent", "bakery:agent"),
        ("bakery.py:agent", "", "../bakery.py:agent"),
        ("agents", "", "../agents"),
        ("", "", ""),
    ],
)
def test_the_test_names_whom_the_settings_do_not(
    told: str, in_env: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario is played without the command line of `callbridge dev`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLBRIDGE_AGENT", in_env)
    assert named_for_tests(told) == named
