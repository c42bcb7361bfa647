"""Makes forms of what was read: a model with ready types, and where its object is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, create_model

from callbridge.agents.capture import Form
from callbridge.agents.context import Call
from callbridge.agents.fault import AgentFault
from callbridge.agents.fields.dates import BirthDate, date_and_time, day
from callbridge.agents.fields.digits import digits
from callbridge.agents.fields.email_address import EmailAddress
from callbridge.agents.fields.person_name import PersonName
from callbridge.agents.fields.phone_number import phone_number
from callbridge.agents.fields.postal_address import PostalAddress
from callbridge.agents.fields.ready import ReadBack
from callbridge.agents.fields.yes_no import YesNo
from callbridge.agents.http.tool import TIMEOUT_S, HttpTool
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import TIMEOUT_S_MAX, ToolResult
from callbridge.agents.written.requests import recipe_of, wanted_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.written.form_tables import FieldType, WrittenField, WrittenForm
    from callbridge.agents.written.key_lines import KeyPath
    from callbridge.agents.written.request_tables import WrittenDelivery
    from callbridge.agents.written.workshop import Workshop

Deliver: TypeAlias = Callable[[Call[Any], BaseModel], Awaitable[ToolResult]]

_Kind: TypeAlias = "tuple[Callable[[WrittenField], Any], tuple[str, ...]]"

_KINDS: Final[Mapping[FieldType, _Kind]] = {
    "person_name": (lambda _: PersonName, ()),
    "email": (lambda _: EmailAddress, ()),
    "phone": (lambda one: Annotated[str, phone_number(one.region)], ("region",)),
    "postal_address": (lambda _: PostalAddress, ()),
    "date": (lambda one: Annotated[dt.date, day(past=one.past or False)], ("past",)),
    "birth_date": (lambda _: BirthDate, ()),
    "date_and_time": (lambda one: Annotated[dt.datetime, date_and_time(past=one.past or False)], ("past",)),
    "digits": (lambda one: Annotated[str, digits(one.length, one.length_max)], ("length", "length_max")),
    "yes_no": (lambda _: YesNo, ()),
    "choice": (lambda one: Literal[tuple(one.choices or ())], ("choices", "read_back")),
    "text": (lambda one: Annotated[str, _text(one)], ("length_max", "read_back")),
    "whole_number": (lambda one: Annotated[int, _bounds(one)], ("at_least", "at_most", "read_back")),
    "number": (lambda one: Annotated[float, _bounds(one)], ("at_least", "at_most", "read_back")),
}
"""What makes each type, and what may be said of it beside what is said of each."""

_OF_EACH: Final = frozenset({"type", "description", "needed", "sent_as"})

_TEXT_LENGTH_MAX: Final = 500
"""Characters of a text that does not say it: more nobody dictates."""


@dataclass(frozen=True)
class MadeForm:
    """A form, and what it was made of: an agent makes its own of that."""

    form: Form[BaseModel]
    deliver: Deliver | None


def form_of(workshop: Workshop, name: str, form: WrittenForm) -> MadeForm | None:
    """The form that was written down; None where that has faults."""
    path: KeyPath = ("capture", name)
    count = len(workshop.faults)
    fields: dict[str, Any] = {}
    for field, one in form.fields.items():
        fields[field] = _field_of(workshop, (*path, "fields", field), field, one)
    deliver = None
    if form.send is not None:
        deliver = _delivery_of(workshop, (*path, "send"), f"{name}.send", form, form.send)
    if len(workshop.faults) > count:
        return None
    try:
        model = create_model(name.title().replace("_", ""), __doc__=form.about or None, **fields)
        return MadeForm(Form(model, name=name, then=deliver), deliver)
    except (AgentFault, ToolError) as error:
        workshop.fault(path, str(error))
        return None


# --- Fields ---------------------------------------------------------------------------------------------


def _field_of(workshop: Workshop, path: KeyPath, name: str, field: WrittenField) -> tuple[Any, Any]:
    """As `create_model` takes it."""
    if hasattr(BaseModel, name) or name.startswith("model_"):
        workshop.fault(path, f"a field cannot be called {name} here; call it otherwise, and say `sent_as`")
    make, options = _KINDS[field.type]
    for option in sorted(field.model_fields_set - _OF_EACH - {*options}):
        workshop.fault((*path, option), f"this is not said of the type {field.type}")
    if field.type == "choice" and not field.choices:
        workshop.fault(path, "say its `choices`")
        return str, ...
    try:
        kind = make(field)
    except ValueError as error:
        workshop.fault(path, str(error))
        return str, ...
    if field.read_back:
        kind = Annotated[kind, ReadBack()]
    if field.description:
        kind = Annotated[kind, Field(description=field.description)]
    return (kind, ...) if field.needed else (kind | None, None)


def _text(field: WrittenField) -> Any:
    return Field(min_length=1, max_length=field.length_max or _TEXT_LENGTH_MAX)


def _bounds(field: WrittenField) -> Any:
    return Field(ge=field.at_least, le=field.at_most)


# --- Delivery -------------------------------------------------------------------------------------------


def _delivery_of(
    workshop: Workshop, path: KeyPath, name: str, form: WrittenForm, send: WrittenDelivery
) -> Deliver:
    """What is run with the object."""
    if send.timeout_s is not None and send.timeout_s > TIMEOUT_S_MAX:
        workshop.fault((*path, "timeout_s"), f"set it to {TIMEOUT_S_MAX:g} at most")
    for parameter, one in send.parameters.items():
        if one.of_call is None and one.value is None:
            where = (*path, "parameters", parameter)
            workshop.fault(where, "no model gives it: say what it is `of_call`, or its `value`")
    names = {field: one.sent_as or field for field, one in form.fields.items()}
    recipe = recipe_of(workshop, path, send)
    for field in recipe.body_faults(names.values()):
        workshop.fault(path, f"{field} would be sent twice, or as an object and as a value")
    tool = HttpTool(
        name,
        recipe,
        wanted_of(workshop, (*path, "result"), send.result),
        workshop.sender,
        workshop.secrets,
        send.timeout_s or TIMEOUT_S,
    )

    async def deliver(call: Call[Any], captured: BaseModel) -> ToolResult:
        values = captured.model_dump(mode="json", exclude_none=True)
        return await tool.answer({}, call, [(names[field], value) for field, value in values.items()])

    return deliver
