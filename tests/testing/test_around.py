"""Transfers and texts on a line: people who can be rung, and the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import callbridge
from callbridge.testing import Calls, Says

if TYPE_CHECKING:
    from callbridge.testing import Line

SALES = "+15550100042"


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.heavy
def test_somebody_takes_the_call(line: Line, *, is_warm: bool) -> None:
    agent = callbridge.Agent(
        greeting="Hello.", transfers=[callbridge.Destination("sales", SALES, warm=is_warm)]
    )
    call = line.play(
        agent,
        caller=["Sales, please."],
        model=[Says("I put you through.", then=Calls("transfer", to="sales", reason="a price"))],
        people={SALES: "takes"},
    )
    assert call.complaints == ()
    assert call.story.end_reason == "transferred"
    (person,) = call.people
    assert (person.status, person.address) == ("completed", SALES)


@pytest.mark.heavy
def test_nobody_takes_it_and_the_agent_has_the_caller_back(line: Line) -> None:
    agent = callbridge.Agent(greeting="Hello.", transfers=[callbridge.Destination("sales", SALES)])
    call = line.play(
        agent,
        caller=["Sales, please."],
        model=[
            Says("I put you through.", then=Calls("transfer", to="sales", reason="a price")),
            Says("Nobody is there. Goodbye!", then=Calls("end_call")),
        ],
        people={SALES: "no-answer"},
    )
    assert call.complaints == ()
    assert len(call.streams) == 2
    assert call.story.turns[-1].heard == "Nobody is there. Goodbye!"
    assert call.people[0].rang_ms == 20_000


@pytest.mark.heavy
def test_a_text_is_sent(line: Line) -> None:
    agent = callbridge.Agent(greeting="Hello.", texts=callbridge.Texts())

    @agent.tool
    async def confirm(call: callbridge.Call) -> str:
        """Sends the caller a text."""
        return (await call.send_text("Your table is booked.")).value

    call = line.play(agent, caller=["Confirm it."], model=[Calls("confirm"), "Done."], people={})
    assert call.complaints == ()
    (text,) = call.texts
    assert (text.to_address, text.body) == ("+15550100001", "Your table is booked.")
