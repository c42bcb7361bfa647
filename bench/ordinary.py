"""An agent as people write them: texts that are functions of the call, five tools, a form and a key.

What it costs per frame and per call is measured beside the agent without code, which has none of these.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from callbridge import Agent, Call
from callbridge.fields import DateAndTime, EmailAddress, PersonName, PhoneNumber


class Visit(BaseModel):
    """Where a call stands, for the code of the agent."""

    is_regular: bool = False
    looked_up: int = 0


class Booking(BaseModel):
    """A table in the restaurant."""

    name: PersonName
    phone: PhoneNumber
    at: DateAndTime
    guests: int
    email: EmailAddress | None = None
    seats: Literal["inside", "outside"] = "inside"


def _instructions(call: Call[Visit]) -> str:
    call.values.is_regular = call.caller.attestation == "A"
    return (
        "You answer the telephone of the Harbour Kitchen, a restaurant with forty seats. Be brief and warm, "
        f"and never invent a dish or a price. It is {call.local_time:%A, %H:%M}. "
        f"The caller's number is {call.caller.number or 'withheld'}."
    )


def _greeting(call: Call[Visit]) -> str:
    return "Welcome back to the Harbour Kitchen!" if call.values.is_regular else "Harbour Kitchen, good day!"


agent = Agent(
    name="kitchen",
    instructions=_instructions,
    greeting=_greeting,
    time_zone="Europe/Berlin",
    values=Visit,
    person_key="0",
)


@agent.tool
def opening_hours(day: Literal["weekday", "saturday", "sunday"]) -> str:
    """When the restaurant is open.

    Args:
        day: the kind of day.
    """
    return {"weekday": "17 to 23", "saturday": "12 to 24", "sunday": "12 to 22"}[day]


@agent.tool
async def dishes(
    call: Call[Visit], course: Literal["starter", "main", "dessert"], limit: int = 2
) -> list[str]:
    """What is served today.

    Args:
        call: the call; the model does not see it.
        course: which part of the meal.
        limit: how many to name at most.
    """
    call.values.looked_up += 1
    card = {"starter": ["soup", "salad"], "main": ["plaice", "goulash"], "dessert": ["almond cake"]}
    return card[course][:limit]


@agent.tool(while_running="One moment, I look.", waiting_sound=True)
async def reservation(call: Call[Visit], code: str) -> dict[str, str]:
    """Finds a reservation.

    Args:
        call: the call; the model does not see it.
        code: as it stands in the message of confirmation.
    """
    return {"code": code, "from": call.caller.number}


@agent.tool(irreversible=True, confirm=True)
async def cancel_reservation(call: Call[Visit], code: str) -> str:
    """Cancels a reservation.

    Args:
        call: the call; the model does not see it.
        code: as it stands in the message of confirmation.
    """
    return f"{code} is cancelled for {call.caller.number}"


@agent.tool(answers="later")
async def ask_the_kitchen(question: str) -> str:
    """Asks the cook what nobody else knows.

    Args:
        question: what the caller wants to know.
    """
    return f"the cook will look into it: {question}"


@agent.capture(Booking).captured
async def booked(call: Call[Visit], booking: Booking) -> str:
    """The tables' book takes it."""
    return f"a table for {booking.guests} is booked under {call.caller.number or booking.phone}"


@agent.key("1")
async def tell_the_address() -> str:
    """The address, without the model."""
    return "The address is 1, Harbour Street."
