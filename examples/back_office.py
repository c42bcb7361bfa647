"""A back office of plain functions: the agent asks it while the caller waits, or talks on meanwhile.

`CALLBRIDGE_AGENT=examples.back_office:agent callbridge serve`. `office` is where your text agent goes: it
answers a question, and is told what it was asked before. Here it is a dictionary and a pause.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel

from callbridge import Agent, Call, ToolRefused

ASKED_MAX = 10
"""Questions that the office remembers of a call: all of `call.values` has 16 KiB."""

ORDERS = {"17": "two rye breads, to be collected on Friday", "18": "a walnut cake, on its way"}


class Asked(BaseModel):
    """A question to the office, and what it has answered."""

    question: str
    answer: str


class Files(BaseModel):
    """What the office knows of this call. It goes on with the call, also in another process."""

    asked: list[Asked] = []


async def office(question: str, before: list[Asked]) -> str:
    """Your text agent: an answer in a sentence or two. LookupError where it has none."""
    await asyncio.sleep(1.5)
    words = " ".join([*(one.question for one in before), question]).replace("?", "").split()
    number = next((word for word in reversed(words) if word in ORDERS), None)
    if number is None:
        raise LookupError(question)
    return f"Order {number}: {ORDERS[number]}."


async def baker(order: str, wish: str) -> str:
    """Somebody who takes their time: a colleague, a slow system."""
    await asyncio.sleep(5)
    return f"for order {order} the baker says: {wish} is fine"


agent = Agent(
    instructions=(
        "You answer the telephone of Harbour Bakery. You know of no order yourself: ask the office. "
        "Wishes are for the baker to decide. Answer in one or two sentences."
    ),
    greeting="Harbour Bakery, hello!",
    values=Files,
)


@agent.tool(while_running="Let me ask.", waiting_sound=True, when_caller_hangs_up="cancel", timeout_s=10)
async def ask_the_office(
    question: Annotated[str, "in whole words, with the order's number if the caller has said it"],
    call: Call[Files],
) -> str:
    """Ask the office about an order. It remembers what it was asked before in this call."""
    try:
        answer = await office(question, call.values.asked)
    except LookupError as error:
        raise ToolRefused("the office knows no such order: ask the caller for its number") from error
    call.values.asked = [*call.values.asked, Asked(question=question, answer=answer)][-ASKED_MAX:]
    return answer


@agent.tool(answers="later", timeout_s=120)
async def ask_the_baker(order: Annotated[str, "its number"], wish: str) -> str:
    """Ask the baker whether a wish about an order can be met. It takes a while."""
    return await baker(order, wish)
