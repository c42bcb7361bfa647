"""Whether agents can send the texts that they are to send: what `callbridge check` says."""

from __future__ import annotations

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.texting.texts import Texts
from callbridge.server.config.check_texts import texts
from callbridge.server.config.findings import Level
from desks import made_settings

ROSTER = Roster({"shop": Agent(texts=Texts()), "office": Agent()})


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, Level.OK, "from the number that was called (shop); replies are read at https://"),
        ({"CALLBRIDGE_TEXT_FROM": "+14155550123"}, Level.OK, "from +********23 (shop)"),
        ({"CALLBRIDGE_TEXT_FROM": f"MG{'0' * 32}"}, Level.OK, "from the Messaging Service MG0"),
        ({"CALLBRIDGE_TWILIO_REST": "false"}, Level.WARNING, "CALLBRIDGE_TWILIO_REST is false (shop)"),
    ],
)
def test_where_an_agent_sends_texts(changes: dict[str, str], level: Level, said: str) -> None:
    (finding,) = texts(made_settings(changes), ROSTER)
    assert (finding.level, said in finding.what) == (level, True), finding


def test_where_none_does_nothing_is_said() -> None:
    assert list(texts(made_settings(), Roster({"office": Agent()}))) == []
    assert list(texts(made_settings(), None)) == []
