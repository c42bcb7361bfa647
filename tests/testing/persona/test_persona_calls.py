"""Calls in which text models play: the caller, the voice model, or both. The text model is a strict fake."""

from __future__ import annotations

from typing import Any

import pytest

from callbridge import Agent
from callbridge.simulators.text_model import (
    CallsTool,
    Says,
    TextModel,
)
from callbridge.testing import Improvised, Line, Persona
from text_models import text_model, turn

__all__ = ["text_model"]

pytest.importorskip("openai", reason="needs pip install 'callbridge[analysis]'")
pytestmark = pytest.mark.heavy

MIA = Persona("Mia, in a hurry. Her order is 17.", "Find out when the bakery opens on Sunday.")


def bakery() -> Agent:
    agent = Agent(instructions="You answer the telephone of a bakery.", greeting="Bakery Lindner, hello!")

    @agent.tool
    async def opening_hours(day: str) -> str:
        """When the bakery is open.

        Args:
            day: of the week, in English.
        """
        return f"{day}: eight to two"

    return agent


def user_of(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


async def test_a_persona_talks_to_the_scripted_model(text_model: TextModel) -> None:
    text_model.will(turn("Are you open on Sunday?"), turn("Thank you, bye!", goal="reached", hangs_up=True))
    async with Line() as line:
        call = await line.call(bakery(), caller=MIA, model=["From eight until two.", "Goodbye!"])
    assert call.complaints == ()
    assert call.goal == "reached"
    assert [turn.caller for turn in call.story.turns][-2:] == ["Are you open on Sunday?", "Thank you, bye!"]
    assert "eight until two" in user_of(text_model.taken[1])
    assert [exchange.purpose for exchange in call.exchanges] == ["caller", "caller"]


async def test_both_improvise(text_model: TextModel) -> None:
    text_model.will_answer(
        "caller_turn", turn("Open on Sunday?"), turn("Bye!", goal="reached", hangs_up=True)
    )
    text_model.will_answer(
        "", CallsTool("opening_hours", {"day": "Sunday"}), Says("From eight until two."), Says("Goodbye!")
    )
    async with Line() as line:
        call = await line.call(bakery(), caller=MIA, model=Improvised())
    assert call.complaints == ()
    asked = [request for request in text_model.taken if "tools" in request]
    assert "telephone of a bakery" in asked[0]["messages"][0]["content"]
    assert asked[1]["messages"][-1] == {
        "role": "tool",
        "tool_call_id": asked[1]["messages"][-2]["tool_calls"][0]["id"],
        "content": "Sunday: eight to two",
    }
