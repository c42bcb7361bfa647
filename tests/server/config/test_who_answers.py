"""Who answers in a process: what the settings name, with the secrets that the process is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from callbridge.agents.fault import AgentError
from callbridge.server.config.who_answers import who_answers
from desks import made_settings

PHARMACY = Path(__file__).parents[3] / "examples" / "pharmacy.toml"


def test_without_a_name_the_settings_alone_make_an_agent() -> None:
    (agent,) = who_answers(made_settings()).agents.values()
    assert (agent.instructions, agent.greeting) == (None, None)


def test_a_written_agent_has_its_secrets_from_the_env_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every setting has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHARMACY_KEY", raising=False)
    (tmp_path / "agents").mkdir()
    shutil.copy(PHARMACY, tmp_path / "agents")
    settings = made_settings({"CALLBRIDGE_AGENT": "agents"})
    with pytest.raises(AgentError, match="PHARMACY_KEY must be set"):
        who_answers(settings)
    env_file = tmp_path / ".env"
    env_file.touch(mode=0o600)
    env_file.write_text("PHARMACY_KEY=open-sesame\n")
    assert list(who_answers(settings).agents) == ["pharmacy"]
