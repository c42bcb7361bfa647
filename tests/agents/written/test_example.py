"""The example does in a call what it says: it looks up, takes a reservation, sends it once, says goodbye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.tools.tool import Manner
from callbridge.agents.written.reading import read_agent
from callbridge.call import facts
from callbridge.call.agent_facts import CaptureDelivered
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wants import AgentTells
from flow_calls import flow_call
from pharmacies import EXAMPLE, KEY, pharmacy, pharmacys_agent
from small_server import small_server

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_an_agent() -> None:
    written = read_agent(EXAMPLE, {"PHARMACY_KEY": KEY})
    agent = written.agent
    assert (agent.name, written.numbers, agent.person_key) == ("pharmacy", ("+14155550142",), "0")
    assert str(agent.instructions).startswith("You answer the telephone of Linden Pharmacy")
    assert agent.flow is not None
    assert list(agent.flow.plan.by_name) == ["shelf", "reserve", "reserved", "goodbye"]
    find = agent.flow.plan.own_tools["find_medicine"]
    assert find.manner == Manner(timeout_s=8.0, while_running="One moment, I'm looking at the shelf.")
    assert find.definition.parameters["required"] == ["name"]
    assert KEY not in repr(find.definition)


async def test_it_looks_up_reserves_and_says_goodbye(tmp_path: Path) -> None:
    async with small_server(pharmacy) as service:
        async with flow_call(pharmacys_agent(service.origin, tmp_path)) as call:
            found = await call.call("find_medicine", name="ibuprofen 400", strength_mg=400)
            assert found == {"packages": 3, "price_usd": 7.5, "similar": ["naproxen"]}
            await call.call("go_to_reserve")
            assert call.steps[-1] == "reserve"
            await call.call("note_reservation", medicine="ibuprofen", pick_up="evening", name="Anna Miller")
            await call.happen(facts.ItemHeard("item"))
            await call.happen(facts.CallerSpoke(2, 400))
            await call.call("confirm_reservation", fields=["name"])
            await call.call("decline_reservation", field="email")
            await call.settle()
            told = [wanted.text for wanted in call.wanted if isinstance(wanted, AgentTells)]
            assert call.steps[-1] == "reserved", "it goes on until the number is told"
            await call.call("go_to_goodbye")
        assert call.steps == ["shelf", "reserve", "reserved", "goodbye"]
        delivered = [fact.outcome for fact in call.facts if isinstance(fact, CaptureDelivered)]
        assert delivered == [ToolOutcome.ANSWERED.value]
        assert any('{"number":17,"until":"20:00 for [secret]"}' in text for text in told), told
        assert KEY not in repr([call.facts, call.wanted])
    look, act = service.asked
    assert (look.method, look.target) == ("GET", "/v1/medicines/ibuprofen%20400/stock?strength_mg=400")
    assert (act.method, act.target) == ("POST", "/v1/reservations")
    assert {asked.headers["authorization"] for asked in service.asked} == {f"Bearer {KEY}"}
    assert act.json == {
        "medicine": "ibuprofen",
        "pick_up": "evening",
        "customer": {"name": "Anna Miller", "phone": "+14155550100"},
        "source": "telephone",
    }
