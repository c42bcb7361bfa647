"""What an agent is made of: what cannot be so is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.fault import AgentFault


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "the clinic"}, "at most 48 letters"),
        ({"name": "x" * 49}, "at most 48 letters"),
        ({"time_zone": "Europe/Atlantis"}, "there is none of this name"),
        ({"time_zone": "../etc/passwd"}, "there is none of this name"),
        ({"time_zone": ""}, "there is none of this name"),
        ({"tool_timeout_s": 13}, "a tool has at most 12 s"),
        ({"tool_timeout_s": 0}, "a tool has at most 12 s"),
        ({"spend_max": 0}, "at least 0.01"),
        ({"person_key": "00"}, "a key is one of"),
    ],
)
def test_what_cannot_be_so_is_told_at_once(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AgentFault, match=complaint):
        Agent(**given)


def test_what_may_be_so() -> None:
    agent = Agent(
        name="clinic.1-b_2", time_zone="Asia/Tokyo", tool_timeout_s=12, spend_max=0.01, person_key="*"
    )
    assert (agent.name, agent.time_zone, agent.tool_timeout_s) == ("clinic.1-b_2", "Asia/Tokyo", 12)
