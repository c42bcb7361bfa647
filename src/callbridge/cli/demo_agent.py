"""The agent of the demo: a bakery with one tool. Also the shortest example of an agent."""

from __future__ import annotations

from typing import Literal

from callbridge import Agent

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

agent = Agent(
    instructions="You answer the telephone of Harbour Bakery. Be friendly and brief.",
    greeting="Harbour Bakery, hello! How can I help you?",
)


@agent.tool
async def opening_hours(day: Day) -> dict[str, str]:
    """When the bakery is open.

    Args:
        day: the day of the week that the caller asks about.
    """
    return {"day": day, "open": "8:00", "close": "14:00" if day == "Sunday" else "18:00"}
