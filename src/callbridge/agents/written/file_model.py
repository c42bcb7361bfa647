"""What stands in an agent's file: the keys, their types and what each means.

The JSON Schema that editors show is made of this (`agent.schema.json`), so every docstring here is read by
whoever writes an agent.
"""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from callbridge.agents.agent import ReasoningEffort
from callbridge.agents.called_numbers import ANY, is_number
from callbridge.agents.http.parameters import OfCall, Place
from callbridge.agents.http.recipe import Method

Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""A text that says something."""


class Written(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SilenceDetection(Written):
    """The end of the caller's turn is found by silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """How loud speech must be, from 0 to 1."""
    prefix_padding_ms: Annotated[int, Field(ge=0)] | None = None
    """How much is taken in from before it was noticed, in milliseconds."""
    silence_duration_ms: Annotated[int, Field(ge=0)] | None = None
    """The silence that ends a turn, in milliseconds."""


class MeaningDetection(Written):
    """The end of the caller's turn is found by what they say: it waits longer behind half a sentence."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    """How soon the model thinks that they are done."""


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

    method: Method = "GET"
    """How it is asked."""
    url: Words
    """Where, with parameters of the path in braces: `https://api.example.com/slots/{day}`."""
    headers: dict[str, str] = {}
    """Headers. Secrets stand here by their names in the environment:
    `Authorization = "Bearer ${BOOKING_KEY}"`."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] | None = None
    """Seconds that it may take, its answer included: at most 12, or 300 if the tool answers later. Without it
    8, or 60."""


class WrittenTool(HttpRequest):
    """Something that the model may ask for: an HTTP request and what it is told of the answer."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """What the model calls it: letters, digits, _ and -."""
    description: Words
    """What it does and when to call it, for the model."""
    parameters: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], WrittenParameter
    ] = {}
    """What it is asked with, by name."""
    result: Literal["whole", "nothing"] | dict[str, Words] = "whole"
    """What the model is told of the answer: all of it, nothing but that it is done, or parts of it by names
    of your own, each a JMESPath expression: `slots = "data.slots[*].start"`."""
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


class AgentFile(Written):
    """An agent that answers the telephone."""

    who: Words
    """Who the agent is and how it behaves: what the model is told."""
    greeting: Words | None = None
    """Its first words, said exactly. Without them the model finds some."""
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,48}$")] | None = None
    """What logs and records call it. Without it, the name of the file."""
    numbers: list[str] = []
    """The called numbers that it answers, each as `+14155550100` or as a SIP address; `*` for all others."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    """The language of its callers, `de` for example."""
    time_zone: str | None = None
    """Where it is at home, `Europe/Berlin` for example."""
    voice: Words | None = None
    """A voice of the model."""
    model: Words | None = None
    """The realtime model."""
    reasoning_effort: ReasoningEffort | None = None
    """How hard the model thinks before it speaks."""
    turn_detection: Annotated[SilenceDetection | MeaningDetection, Field(discriminator="type")] | None = None
    """How the end of the caller's turn is found."""
    greeting_interruptible: bool = False
    """Whether the caller's first word stops the greeting. Otherwise it is heard, and they are answered behind
    it."""
    can_hang_up: bool = True
    """Whether the agent may end the call by itself, after a goodbye."""
    person_key: Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*"] = ""
    """A key that leads to a human at any time, also while there is no model."""
    tool_timeout_s: Annotated[float, Field(gt=0, le=12)] | None = None
    """Seconds that a tool may take unless it says so itself."""
    spend_max: Annotated[float, Field(gt=0)] | None = None
    """US dollars that one call may cost; then the agent says goodbye."""
    allow: list[str] = []
    """Where requests may go, each as `https://api.example.com`. `http://` may lead to this machine only:
    `http://localhost:8000`."""
    tools: list[WrittenTool] = []
    """What the model may ask for."""

    @field_validator("numbers")
    @classmethod
    def _numbers(cls, numbers: list[str]) -> list[str]:
        for number in numbers:
            if number != ANY and not is_number(number):
                raise ValueError(f"{number} is no number as Twilio has it; write it like +14155550100")
        if len(set(numbers)) < len(numbers):
            raise ValueError("the same number stands there twice")
        return numbers

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, name: str | None) -> str | None:
        try:
            zoneinfo.ZoneInfo(name or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # A folder is none, either.
            raise ValueError(f"there is no time zone {name}; write one like Europe/Berlin") from error
        return name


def json_schema() -> dict[str, Any]:
    """What editors are told of an agent's file."""
    schema: dict[str, Any] = _in_one_line(AgentFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _in_one_line(node: Any) -> Any:
    """The schema with each description in one line: an editor breaks them as it likes."""
    match node:
        case dict():
            return {
                key: " ".join(part.split())
                if key == "description" and isinstance(part, str)
                else _in_one_line(part)
                for key, part in node.items()
            }
        case list():
            return [_in_one_line(part) for part in node]
        case _:
            return node
