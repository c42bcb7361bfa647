"""The tools of the example ask their service for what they should, and tell what they should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from callbridge.agents.context import About, Call, Caller
from pharmacies import KEY, pharmacy, pharmacys_agent
from small_server import small_server

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.given import GivenTool

CALL: Call[Any] = Call(About("CA1", Caller("+14155550100"), "+14155550142"), {})


async def test_it_looks_up_and_puts_aside(tmp_path: Path) -> None:
    async with small_server(pharmacy) as service:
        agent = pharmacys_agent(service.origin, tmp_path)
        tools: dict[str, Any] = {tool.name: tool for tool in agent.toolbox.tools}
        found = await _told(tools["find_medicine"], name="ibuprofen 400", strength_mg=400)
        kept = await _told(tools["put_aside"], medicine="ibuprofen", pick_up="evening", family_name="Miller")
    assert found == {"packages": 3, "price_usd": 7.5, "similar": ["naproxen"]}
    assert kept == {"number": 17, "until": "20:00 for [secret]"}
    look, act = service.asked
    assert (look.method, look.target) == ("GET", "/v1/medicines/ibuprofen%20400/stock?strength_mg=400")
    assert (act.method, act.target) == ("POST", "/v1/reservations")
    assert {asked.headers["authorization"] for asked in service.asked} == {f"Bearer {KEY}"}
    assert act.json == {
        "medicine": "ibuprofen",
        "pick_up": "evening",
        "customer": {"name": "Miller", "phone": "+14155550100"},
        "source": "telephone",
    }


async def _told(tool: GivenTool, **arguments: object) -> object:
    return json.loads((await tool.answer_async(json.dumps(arguments), CALL)).output)
