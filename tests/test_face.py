"""What users import, and that an agent's module brings no server along."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Literal, assert_type

import pytest
from pydantic import BaseModel, create_model

import callbridge
from callbridge import fields
from callbridge.agents.fields.ready import ready_of


def test_what_is_offered_is_there() -> None:
    assert {name for name in callbridge.__all__ if callable(getattr(callbridge, name))} == set(
        callbridge.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'create_ap'"):
        callbridge.create_ap  # noqa: B018 - that is what is tested


def test_the_field_types_are_what_they_say() -> None:
    """Each name of `callbridge.fields` is there, and each type is one that a form knows how to ask for."""
    own = {"At", "Ready", "ReadBack"}
    types = [name for name in fields.__all__ if name[0].isupper() and name not in own]
    form = create_model("Form", **{name: (getattr(fields, name), ...) for name in types})  # type: ignore[call-overload] # by name
    assert all(ready_of(field).description for field in form.model_fields.values())
    makers = [getattr(fields, name) for name in fields.__all__ if name[0].islower()]
    assert all(isinstance(maker(), fields.Ready) for maker in makers)
    assert (len(types), len(makers)) == (9, 4)


class Booking(BaseModel):
    """As a user writes it."""

    intent: Literal["schedule_appointment", "cancel"]
    name: fields.PersonName
    email: fields.EmailAddress
    phone: fields.PhoneNumber | None = None
    home: fields.PostalAddress | None = None
    day: fields.Date
    when: fields.DateAndTime
    code: fields.Digits = ""
    is_new: fields.YesNo = False


def test_a_field_is_of_a_plain_type() -> None:
    """For the checker of types, and for the program."""
    now = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
    booking = Booking(
        intent="cancel",
        name="Sam",
        email="sam@example.com",
        home=fields.PostalAddress(street="Main Street", city="Ames"),
        day=now.date(),
        when=now,
    )
    assert_type(booking.name, str)
    assert_type(booking.phone, str | None)
    assert_type(booking.day, dt.date)
    assert_type(booking.when, dt.datetime)
    assert_type(booking.is_new, bool)
    assert booking.home is not None
    assert assert_type(booking.home.city, str) == "Ames"


def test_an_agent_brings_no_server_along() -> None:
    """It takes half a second: until `create_app` is asked for, nothing of the server is imported.

    So with the tables of all countries' phone numbers, until a form has one.
    """
    program = (
        "import sys, callbridge; assert not {'fastapi', 'phonenumbers'} & sys.modules.keys(); "
        "callbridge.create_app"
    )
    subprocess.run([sys.executable, "-c", f"{program}; assert 'fastapi' in sys.modules"], check=True)  # noqa: S603 - our own words
