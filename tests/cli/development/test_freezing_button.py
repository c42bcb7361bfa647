"""The button of the pages that makes a test of a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import stories
from callbridge import Agent
from callbridge.agents.choosing.gathering import roster_of
from callbridge.cli.development.freezing import CallFreezing
from callbridge.console.sources import SourceError
from callbridge.testing.scenarios.reading import read_scenarios

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_leaves_a_test_in_the_project_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    desk: Any = SimpleNamespace(records=None, plans=SimpleNamespace(roster=roster_of(Agent())))
    frozen = await CallFreezing(desk).freeze(stories.RICH, None)
    assert frozen.path == "tests/call-abcdef.call.toml"
    assert frozen.command == f"callbridge test {frozen.path}"
    assert "The caller was not recorded" in frozen.remark
    (found,) = read_scenarios(tmp_path / frozen.path)
    assert found.scenario.expect.ended_by == "agent"
    with pytest.raises(SourceError, match="is there already"):
        await CallFreezing(desk).freeze(stories.RICH, None)
