"""Whether calls can be recorded whose agents want that: what `callbridge check` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.recording.recording import Recording
from callbridge.server.config import check_recordings
from callbridge.server.config.check_recordings import recordings
from callbridge.server.config.findings import Level
from desks import made_settings

if TYPE_CHECKING:
    from pathlib import Path

ROSTER = Roster({"shop": Agent(recording=Recording()), "office": Agent()})


def said(changes: dict[str, str]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in recordings(made_settings(changes), ROSTER)]


def test_where_recordings_go_and_as_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_recordings, "_is_installed", lambda library: library == "soundfile")
    place = str(tmp_path / "calls")
    assert said({"CALLBRIDGE_RECORDINGS": place}) == [
        (Level.OK, f"calls are recorded (shop) to {place}, as Opus")
    ]
    state = {
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
        "CALLBRIDGE_RECORDINGS": "s3://bucket/calls/",
    }
    assert [level for level, _ in said(state)] == [Level.WARNING, Level.OK]
    assert "s3://bucket/calls, as Opus" in said(state)[-1][1]


def test_what_keeps_calls_from_being_recorded(tmp_path: Path) -> None:
    assert said({})[0][0] is Level.WARNING
    (tmp_path / "file").touch()
    (cannot, _) = said({"CALLBRIDGE_RECORDINGS": str(tmp_path / "file")})
    assert "cannot be written" in cannot[1]


def test_where_none_is_wanted_nothing_is_said() -> None:
    assert list(recordings(made_settings(), Roster({"office": Agent()}))) == []
    assert list(recordings(made_settings(), None)) == []
