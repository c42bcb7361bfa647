"""The example does what it says: it looks up, takes a reservation and sends it once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from callbridge.agents.tools import Manner
from callbridge.agents.written.reading import read_agent
from callbridge.call.outcomes import ToolOutcome
from form_rig import FormCall
from pharmacies import EXAMPLE, KEY, pharmacy, pharmacys_agent
from small_server import small_server
from tool_runs import run_tool

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_an_agent() -> None:
    written = read_agent(EXAMPLE, {"PHARMACY_KEY": KEY})
    agent = written.agent
    assert (agent.name, written.numbers, agent.person_key) == ("pharmacy", ("+14155550142",), "0")
    assert str(agent.instructions).startswith("You answer the telephone of Linden Pharmacy")
    find = {tool.name: tool for tool in agent.toolbox.tools}["find_medicine"]
    assert find.manner == Manner(timeout_s=8.0, while_running="One moment, I'm looking at the shelf.")
    assert find.definition.parameters["required"] == ["name"]
    assert KEY not in repr(find.definition)


async def test_it_looks_up_and_reserves(tmp_path: Path) -> None:
    async with small_server(pharmacy) as service:
        agent = pharmacys_agent(service.origin, tmp_path)
        asked = json.dumps({"name": "ibuprofen 400", "strength_mg": 400})
        found = await run_tool(agent.toolbox, "find_medicine", asked)
        call = FormCall(agent.forms["reservation"])
        await call.calls("note_reservation", medicine="ibuprofen", pick_up="evening", name="Anna Miller")
        call.agrees()
        await call.calls("confirm_reservation", fields=["name"])
        await call.calls("decline_reservation", field="email")
        assert await call.deliver() == [ToolOutcome.ANSWERED]
    assert json.loads(found.output) == {"packages": 3, "price_usd": 7.5, "similar": ["naproxen"]}
    assert '{"number":17,"until":"20:00 for [secret]"}' in call.told[-1].text
    look, act = service.asked
    assert (look.method, look.target) == ("GET", "/v1/medicines/ibuprofen%20400/stock?strength_mg=400")
    assert (act.method, act.target) == ("POST", "/v1/reservations")
    assert {request.headers["authorization"] for request in service.asked} == {f"Bearer {KEY}"}
    assert act.json == {
        "medicine": "ibuprofen",
        "pick_up": "evening",
        "customer": {"name": "Anna Miller", "phone": "+14155550100"},
        "source": "telephone",
    }
