"""What an agent's file says of steps: each way is taken when it should, and all that cannot be is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.agents.fault import AgentError
from callbridge.agents.flow.drawing import mermaid
from callbridge.agents.written.reading import read_agent
from flow_calls import flow_call
from small_server import answered, small_server

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

FILE = """
who = "You answer for a clinic."
allow = ["ORIGIN"]
person_key = "0"

[[tools]]
name = "find_slots"
description = "The free slots."
url = "ORIGIN/slots"

[[tools]]
name = "opening_hours"
description = "When it is open."
url = "ORIGIN/hours"

[capture.reason.fields]
reason = {}
urgency = { type = "whole_number" }

[[steps]]
name = "welcome"
captures = "reason"
go = [
  { to = "urgent", captured = true, where = "urgency > `7`" },
  { to = "slots", captured = true },
  { to = "goodbye", refused = "reason" },
  { to = "goodbye", failed = 2 },
  { to = "slots", key = "2" },
]

[[steps]]
name = "slots"
instructions = "Find a slot."
tools = ["find_slots"]
go = [
  { to = "full", answered = "find_slots", where = "length(slots) == `0`" },
  { to = "goodbye", asked = "they have a slot" },
  { to = "welcome", sure_of = "misunderstanding", at_least = 0.8 },
]

[[steps]]
name = "full"
go = [{ to = "slots", answered = "opening_hours" }, { to = "goodbye", visited = 2 }]

[[steps]]
name = "urgent"
ends = true

[[steps]]
name = "goodbye"
ends = true

[[anywhere]]
to = "urgent"
key = "9"
"""


def agent_of(text: str, folder: Path, origin: str = "https://api.example.com") -> Agent:
    path = folder / "clinic.toml"
    path.write_text(text.replace("ORIGIN", origin), encoding="utf-8")
    return read_agent(path, {}).agent


async def test_each_way_is_taken_when_it_should(tmp_path: Path) -> None:
    answers = {"/slots": '{"slots": []}', "/hours": '"8 to 18"'}
    async with (
        small_server(lambda asked: answered(answers[asked.target])) as server,
        flow_call(agent_of(FILE, tmp_path, server.origin)) as call,
    ):
        assert "find_slots" not in call.tools
        assert "opening_hours" in call.tools
        await call.press("2")
        assert "find_slots" in call.tools
        await call.call("find_slots")
        await call.speak()
        answers["/slots"] = '{"slots": ["9:00"]}'
        await call.call("opening_hours")
        await call.call("find_slots")
        await call.speak()
        await call.call("sure_of_misunderstanding", confidence=0.9)
        await call.call("note_reason", reason="A toothache.", urgency=9)
    assert call.steps == ["welcome", "slots", "full", "slots", "welcome", "urgent"]
    assert call.way[-1][1] == "captured: urgency > `7`"


async def test_a_key_leads_on_from_anywhere(tmp_path: Path) -> None:
    async with flow_call(agent_of(FILE, tmp_path)) as call:
        await call.press("9")
    assert call.steps == ["welcome", "urgent"]


def test_it_can_be_drawn(tmp_path: Path) -> None:
    flow = agent_of(FILE, tmp_path).flow
    assert flow is not None
    assert "slots --> full: find_slots answered, length(slots) == `0`" in mermaid(flow.plan)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("urgency > `7`", "urgency >", "line 23, steps[1].go[1].where: this is no JMESPath expression: "),
        ('"reason"\ngo', '"raison"\ngo', "line 22, steps[1].captures: there is nothing called raison under"),
        ('["find_slots"]', '["find_slot"]', "line 34, steps[2].tools: there is no tool find_slot"),
        (", visited = 2", "", "line 43, steps[3].go[2]: say one of asked, captured, refused, answered,"),
        ("visited = 2", 'visited = 2, key = "1"', "line 43, steps[3].go[2]: say one of asked, captured,"),
        ("visited = 2", 'visited = 2, where = "x"', "steps[3].go[2].where: this is not said of `visited`"),
        ("visited = 2", "visited = 2, below = 0.1", "steps[3].go[2]: `at_least`, `below` and `source`"),
        (
            "visited = 2",
            "visitid = 2",
            "steps[3].go[2].visitid: there is no such key; did you mean visited?",
        ),
        ('to = "full"', 'to = "fully"', "line 31, steps[2]: find_slots answered"),
        ('key = "2"', 'key = "0"', "line 20, steps[1]: key 0: 0 leads to a person, whatever the step"),
        ('"urgent"\nends = true', '"urgent"', "line 45, steps[4]: no way leads out of it"),
        ('name = "goodbye"', 'name = "urgent"', "line 49, steps[5]: there are two of that name; rename one"),
        ('"opening_hours"\nd', '"hours"\nd', "line 41, steps[3]: answered('opening_hours'): it has no such"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, fault: str, tmp_path: Path) -> None:
    assert old in FILE
    with pytest.raises(AgentError) as caught:
        agent_of(FILE.replace(old, new), tmp_path)
    assert fault in str(caught.value)


def test_ways_from_anywhere_need_steps(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="there are no `steps` that these ways lead out of"):
        agent_of('who = "x"\n[[anywhere]]\nto = "urgent"\nkey = "9"', tmp_path)
