"""examples/langgraph_agent.py: a graph is asked while the caller waits, under a thread of each call."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from callbridge.testing import Calls, Line, Says
from documented import example

if find_spec("langgraph") is None:  # To import it takes longer than these tests, which a push does not run.
    pytest.skip("pip install 'callbridge[examples]'", allow_module_level=True)

pytestmark = pytest.mark.heavy


async def test_the_caller_hears_how_far_it_is_and_the_graph_remembers_the_call(line: Line) -> None:
    agent = example("langgraph_agent").agent
    first = await line.call(
        agent,
        caller=["Are there nuts in your rye bread?", "Is it vegan?"],
        model=[
            Calls("ask_the_office", question="Are there nuts in the rye bread?"),
            "There are none.",
            Calls("ask_the_office", question="Is it vegan?"),
            "Yes, it is.",
        ],
    )
    first.expect.heard("I look into the recipes.")
    first.expect.tool("ask_the_office", question="Is it vegan?").returned("About the rye: yes.")
    first.expect.silence(max_ms=3000)
    first.expect.no_complaints()
    other = await line.call(
        agent,
        caller=["Is it vegan?"],
        model=[Calls("ask_the_office", question="Is it vegan?"), "Which bread do you mean?"],
    )
    other.expect.tool("ask_the_office").returned(lambda told: "which bread" in told)
    other.expect.no_complaints()


async def test_two_questions_at_once_are_both_remembered(line: Line) -> None:
    office = example("langgraph_agent")
    rye, brioche = (Calls("ask_the_office", question=f"Nuts in the {bread}?") for bread in ("rye", "brioche"))
    call = await line.call(
        office.agent,
        caller=["Are there nuts in the rye bread, or in the brioche?"],
        model=[Says("", then=(rye, brioche)), "Only in the brioche."],
    )
    state = await office.graph.aget_state({"configurable": {"thread_id": call.story.call_sid}})
    assert [message.text for message in state.values["messages"]] == [
        *("Nuts in the rye?", "About the rye: no nuts."),
        *("Nuts in the brioche?", "About the brioche: almonds on top."),
    ]
    call.expect.no_complaints()
