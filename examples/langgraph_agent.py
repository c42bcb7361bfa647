"""An agent of LangGraph behind the telephone: what the voice model does not know it asks the graph.

`CALLBRIDGE_AGENT=examples.langgraph_agent:agent callbridge serve`, with `pip install langgraph`. The graph is
where yours goes, compiled, with messages in its state; a dictionary stands for its language model. It
remembers the call: "is it vegan?" is about the bread of the question before.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph

from callbridge import Agent, Call

# --- The graph: yours ---

BREADS = {
    "rye": {"vegan": "yes", "nuts": "no nuts"},
    "brioche": {"vegan": "no, it has butter", "nuts": "almonds on top"},
}


async def search(state: MessagesState) -> dict[str, Any]:
    """Tells of its progress, and answers about the bread that was named last."""
    get_stream_writer()("I look into the recipes.")
    await asyncio.sleep(1.5)
    words = " ".join(str(message.content) for message in state["messages"]).lower().replace("?", "").split()
    bread = next((word for word in reversed(words) if word in BREADS), "")
    topic = next((word for word in reversed(words) if word in {"vegan", "nuts"}), "")
    if not bread or not topic:
        return {
            "messages": [AIMessage("I need to know which bread, and whether it is about nuts or vegan food.")]
        }
    return {"messages": [AIMessage(f"About the {bread}: {BREADS[bread][topic]}.")]}


graph = (
    StateGraph(MessagesState)
    .add_node("search", search)
    .add_edge(START, "search")
    # In production one with a database: this one forgets with the process, and keeps every call until then.
    .compile(checkpointer=InMemorySaver())
)

# --- The telephone ---

agent = Agent(
    instructions=(
        "You answer the telephone of Harbour Bakery. You know nothing of the breads yourself: ask the office "
        "about everything but opening hours (eight to six), and say in a sentence or two what it answers."
    ),
    greeting="Harbour Bakery, hello!",
)

LINES: WeakKeyDictionary[Call, asyncio.Lock] = WeakKeyDictionary()
"""One question of a call at a time: two runs of one thread would forget one another's messages."""


@agent.tool(waiting_sound=True, when_caller_hangs_up="cancel", timeout_s=12)
async def ask_the_office(question: Annotated[str, "in whole words"], call: Call) -> str:
    """Ask the office what is in our breads. It remembers what it was asked before in this call."""
    asked: Any = {"messages": [HumanMessage(question)]}
    thread: Any = {"configurable": {"thread_id": call.sid}}
    answer = ""
    async with LINES.setdefault(call, asyncio.Lock()):
        parts: Any = graph.astream(asked, thread, stream_mode=["custom", "values"])
        async for kind, part in parts:
            if kind == "custom":  # What a node writes with `get_stream_writer` the caller hears at once.
                call.say(part, while_running=True)
            else:
                answer = part["messages"][-1].text
    return answer
