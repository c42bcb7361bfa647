"""The tables of an agent's file that say what is asked over HTTP: tools, and where captured data is sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from callbridge.agents.http.parameters import OfCall, Place
from callbridge.agents.http.recipe import Method
from callbridge.agents.written.tables import Words, Written


class WrittenParameter(Written):
    """What a tool is asked with. The model gives it, unless it is `of_call` or has a `value`."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    """What it is."""
    description: str = ""
    """What it means and how it is written, for the model: `The day, as 2026-04-30.`"""
    enum: Annotated[list[str | int | float], Field(min_length=1)] | None = None
    """All that it may be."""
    required: bool = True
    """Whether it must be given."""
    sent_in: Annotated[Place | None, Field(alias="in")] = None
    """Where it is sent. Without it: in the path if it stands in `url` as `{name}`, in the body of a POST, PUT
    or PATCH, in the query of others."""
    sent_as: Words | None = None
    """What the service calls it, where that is something else. In a body, `customer.phone` is two objects."""
    of_call: OfCall | None = None
    """Something of the call, which the model neither sees nor gives."""
    value: str | int | float | bool | None = None
    """What it always is, which the model neither sees nor gives. `${NAME}` in it is read from the
    environment."""


class HttpRequest(Written):
    """An HTTP request to one of the origins in `allow`."""

    url: Words
    """Where, with parameters of the path in braces: `https://api.example.com/slots/{day}`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers. Secrets stand here by their names in the environment:
    `Authorization = "Bearer ${BOOKING_KEY}"`."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] | None = None
    """Seconds that it may take, its answer included: at most 12, or 300 if the tool answers later. Without it
    8, or 60."""
    parameters: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], WrittenParameter
    ] = Field(default_factory=dict)
    """What it is asked with, by name."""
    result: Literal["whole", "nothing"] | dict[str, Words] = "whole"
    """What the model is told of the answer: all of it, nothing but that it is done, or parts of it by names
    of your own, each a JMESPath expression: `slots = "data.slots[*].start"`."""


class WrittenTool(HttpRequest):
    """Something that the model may ask for: an HTTP request and what it is told of the answer."""

    method: Method = "GET"
    """How it is asked."""
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """What the model calls it: letters, digits, _ and -."""
    description: Words
    """What it does and when to call it, for the model."""
    while_running: str = ""
    """What the agent says, exactly, when it takes longer than a second."""
    waiting_sound: bool = False
    """Whether the caller then hears a soft sound, for as long as it runs."""
    confirm: bool = False
    """Whether it runs only once the caller was asked about exactly these arguments, has heard the question
    and has answered."""
    irreversible: bool = False
    """It must not happen twice: it runs only once its start is on disk, and not again in doubt."""
    answers: Literal["now", "later"] = "now"
    """`later`: the agent goes on with the caller at once, and brings the result up when it is there."""
    when_caller_hangs_up: Literal["finish", "cancel"] = "finish"
    """Whether it goes on, for at most 8 s, or is stopped."""


class WrittenDelivery(HttpRequest):
    """Where the object is sent, once all of it is there: it is the body, with what `parameters` add."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """How it is sent."""
