"""The receptionist of a small practice: knows who calls, books, asks a colleague, and ends the call.

`CALLBRIDGE_AGENT=examples.receptionist:agent callbridge serve`. What a calendar and a colleague would be is a
dictionary and a pause here.
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from callbridge import Agent, Call, ToolRefused

CALENDAR = {"Monday 9:00": "", "Monday 10:30": "", "Tuesday 14:00": "Mr Stone"}
"""Who comes when; nobody where the name is empty."""

PATIENTS = {"+14155550100": "Anna Berg"}


class Visit(BaseModel):
    """What this call has come to so far."""

    patient: str = ""
    booked: str = ""


def greeting(call: Call[Visit]) -> str:
    """The first words: a patient whose number is known is greeted by name."""
    patient = PATIENTS.get(call.caller.number, "")
    part_of_day = "morning" if call.local_time.hour < 12 else "day"
    return f"Good {part_of_day}, {patient or 'Harbour Practice'}. How can I help?"


agent = Agent(
    instructions="You are the receptionist of Harbour Practice. Ask for the name. Give no medical advice.",
    greeting=greeting,
    time_zone="Europe/London",
    values=Visit,
)


@agent.tool
async def note_patient(name: str, call: Call[Visit]) -> str:
    """Note who the appointment is for."""
    call.values.patient = name
    return "noted"


@agent.tool
async def free_times(call: Call[Visit]) -> list[str]:
    """Look up which appointments are free."""
    await call.say("One moment, I open the calendar.")
    return [time for time, patient in CALENDAR.items() if not patient]


@agent.tool(confirm=True, irreversible=True)
async def book(time: str, call: Call[Visit]) -> str:
    """Book an appointment."""
    if not call.values.patient:
        raise ToolRefused("ask for the patient's name first, and note it")
    if CALENDAR.get(time, "taken"):
        raise ToolRefused("that time is not free: look the free times up")
    CALENDAR[time], call.values.booked = call.values.patient, time
    return f"booked: {time} for {call.values.patient}"


@agent.tool(answers="later", timeout_s=120)
async def ask_the_nurse(question: str) -> str:
    """Ask the nurse something that only she can answer. It takes a while."""
    await asyncio.sleep(0.3)
    return f"about {question!r} the nurse says: come without breakfast"


@agent.tool
async def finish(call: Call[Visit]) -> str:
    """End the call when nothing is left to do."""
    last = f"See you on {call.values.booked}." if call.values.booked else "Goodbye."
    call.end(f"Thank you for calling. {last}")
    return "the goodbye is being said: say nothing more"
