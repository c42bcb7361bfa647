"""A clinic that books appointments: a flow, and a form whose values are read back and confirmed.

`CALLBRIDGE_AGENT=examples.clinic:agent callbridge serve`; `callbridge agent show` draws the flow. What a
booking system would be is a dictionary here.
"""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel

from callbridge import Agent, Flow, Form, Step, ToolRefused, asked, captured, failed, refused
from callbridge.fields import DateAndTime, EmailAddress, PersonName

APPOINTMENTS: dict[dt.datetime, str] = {}
"""Who comes when."""


class Appointment(BaseModel):
    """An appointment at the clinic."""

    name: PersonName
    email: EmailAddress
    time: DateAndTime


appointment = Form(Appointment)


@appointment.captured
async def book(appointment: Appointment) -> str:
    """All of it is there, and the caller has confirmed what is easily misheard."""
    if APPOINTMENTS.setdefault(appointment.time, appointment.name) != appointment.name:
        raise ToolRefused("somebody else comes at that time: apologise, and let them call again")
    return f"booked for {appointment.name}, and confirmed to {appointment.email}"


async def opening_hours() -> str:
    """When the clinic is open."""
    return "on weekdays from 8:00 to 18:00"


flow = Flow(
    Step(
        "welcome",
        "Find out what the caller wants.",
        go=[
            asked("details", "the caller wants an appointment"),
            asked("hours", "the caller wants to know when the clinic is open"),
        ],
    ),
    Step(
        "hours",
        "Tell when the clinic is open, and ask whether they want an appointment.",
        tools=[opening_hours],
        go=[
            asked("details", "the caller wants an appointment"),
            asked("goodbye", "the caller has all they wanted"),
        ],
    ),
    Step(
        "details",
        "Take down the appointment.",
        captures=appointment,
        go=[captured(to="booked"), refused(to="desk"), failed(4, to="desk")],
    ),
    Step(
        "booked",
        "Say what came of the appointment, and ask whether there is anything else.",
        tools=["opening_hours"],
        go=[asked("goodbye", "the caller has all they wanted")],
    ),
    Step("desk", "Say that the desk will help, between 8:00 and 18:00, and say goodbye.", ends=True),
    Step("goodbye", "Thank the caller, and say goodbye.", ends=True),
)

agent = Agent(
    instructions="You answer the telephone of Harbour Clinic. Be brief and kind. Give no medical advice.",
    greeting="Harbour Clinic, good day. What can I do for you?",
    flow=flow,
    time_zone="America/New_York",  # "Tomorrow at nine" is meant where the clinic is.
)
