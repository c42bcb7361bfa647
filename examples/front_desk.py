"""A front desk and two agents behind it: the caller is handed over within the call, and hears one voice."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from callbridge import Agent, Call, Handoff

BILLS = {41: "paid", 42: "open: 12 euros"}


class AboutBill(BaseModel):
    """What billing should know."""

    number: int


async def remembered(call: Call, about: AboutBill) -> str:
    """Billing begins with the bill that the desk was told."""
    call.values["bill"] = about.number
    return f"They ask about bill {about.number}."


agent = Agent(
    name="desk",
    instructions="You are the front desk of Harbour Bakery. Find out what callers want; hand them over.",
    greeting="Harbour Bakery, hello! How can I help?",
)

billing = Agent(
    name="billing",
    instructions="You look after the bills of Harbour Bakery. For anything else, hand the caller over.",
    handoff_description="Questions about a bill. Ask for its number first.",
    handoffs=[agent],
)

orders = Agent(
    name="orders",
    instructions="You take orders for Harbour Bakery. For anything else, hand the caller over.",
    handoff_description="The caller wants to order bread.",
    handoffs=[agent, billing],
)

agent.handoffs += [
    Handoff(billing, input_type=AboutBill, on_handoff=remembered),
    Handoff(orders, say="Orders, what may I bake for you?"),
]


@billing.tool
async def bill(call: Call) -> str:
    """Look up the bill that the caller asks about."""
    return BILLS.get(call.values.get("bill", 0), "there is no such bill")


@orders.tool(confirm=True)
async def order(bread: Literal["rye", "wheat"], loaves: int) -> str:
    """Order bread for tomorrow morning."""
    return f"{loaves} loaves of {bread} are ordered"
