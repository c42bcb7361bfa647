"""The tables of an agent's file that say what it asks its caller for."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from callbridge.agents.written.request_tables import WrittenDelivery
from callbridge.agents.written.tables import Words, Written

FieldName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Small letters, digits and _."""

FieldType: TypeAlias = Literal[
    "person_name",
    "email",
    "phone",
    "postal_address",
    "date",
    "birth_date",
    "date_and_time",
    "digits",
    "yes_no",
    "choice",
    "text",
    "whole_number",
    "number",
]


class WrittenField(Written):
    """Something that the caller is asked for."""

    type: FieldType = "text"
    """What it is. Names, addresses, numbers and dates are read back and confirmed."""
    description: str = ""
    """What it means, for the model: `How many people come.`"""
    needed: bool = True
    """Whether there is no object without it. Otherwise it is asked for, and may be left out."""
    choices: Annotated[list[Words], Field(min_length=1)] | None = None
    """All that a `choice` may be."""
    length: Annotated[int, Field(ge=1, le=40)] | None = None
    """How many `digits` there are, exactly."""
    length_max: Annotated[int, Field(ge=1)] | None = None
    """How many `digits`, or characters of a `text`, there may be."""
    at_least: float | None = None
    """The smallest `whole_number` or `number`."""
    at_most: float | None = None
    """The largest."""
    past: bool | None = None
    """Whether a `date` or `date_and_time` may lie before today."""
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    """Where a `phone` number without a country code belongs, `US` for example."""
    read_back: bool | None = None
    """Whether a `choice`, `text` or number is read back to the caller and confirmed, too."""
    sent_as: Words | None = None
    """What the service calls it, where that is something else: `customer.name` is an object within the
    body."""


class WrittenForm(Written):
    """Data that the agent asks its caller for, field by field, until a whole object can be passed on."""

    about: str = ""
    """What it is for, for the model: `A table for this evening.`"""
    fields: Annotated[dict[FieldName, WrittenField], Field(min_length=1)]
    """What is asked for, by name, in this order."""
    send: WrittenDelivery | None = None
    """Where the object is sent, once. Without it, it stands in the records alone."""
