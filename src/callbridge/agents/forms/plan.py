"""What a form is, before there is a call: its name, its fields, and how all of them become one object."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import structlog
from pydantic import BaseModel, RootModel, ValidationError

from callbridge.agents.fault import AgentFault
from callbridge.agents.fields.ready import ready_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.agents.fields.ready import At, Ready
    from callbridge.agents.forms.users_code import Handler

    Checked = TypeVar("Checked")

Verb: TypeAlias = Literal["note", "confirm", "decline"]
"""What the model does with a form."""

Happening: TypeAlias = Literal["captured", "refused"]
"""What the user's code is called for."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
"""The names of tools are made of it."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form."""

    name: str
    ready: Ready
    is_needed: bool
    """Without it there is no object. Another one is asked for too, and may be left out."""

    def read(self, said: object, at: At) -> Any:
        """The value in its JSON form.

        Raises:
            ValueError: it is none. The text is for the agent.
        """
        return _checked(lambda: self.ready.read(said, at))

    def read_back(self, value: Any, at: At) -> str:
        """What the caller is to confirm, empty for nothing. Where a type finds no words, the value itself."""
        try:
            return _checked(lambda: self.ready.read_back(value, at))
        except ValueError:
            return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class FormPlan:
    """A form as it is in every call."""

    name: str
    model: type[BaseModel]
    about: str
    """What the form is for, in the words of the model's docstring."""
    fields: Mapping[str, FormField]
    """By name, in the order in which they are asked for."""
    handlers: Mapping[Happening, Handler]
    """The user's code."""

    def tool_name(self, verb: Verb) -> str:
        """What the model calls to note, confirm or decline something."""
        return f"{verb}_{self.name}"

    def work_name(self, happening: Happening) -> str:
        """Under which the user's code is run. No tool has a name with a dot."""
        return f"{self.name}.{happening}"

    def whole(self, values: Mapping[str, Any]) -> BaseModel:
        """The object that `values` make, in their JSON forms.

        Raises:
            ValueError: the model does not take them. The text is for the agent.
        """

        def validate() -> BaseModel:
            return self.model.model_validate_json(
                json.dumps(values), strict=True, by_name=True, by_alias=False
            )

        try:
            return _checked(validate)
        except ValidationError as error:
            raise ValueError(_in_words(error)) from error


def name_of(model: type[BaseModel], name: str = "") -> str:
    """The name of a form for `model`: `dinner_party` for `DinnerParty`.

    Raises:
        AgentFault: it is none.
    """
    name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower().strip("_")
    if not _NAME.fullmatch(name):
        raise AgentFault(f"form {name!r}: give it a name of at most 40 letters a to z, digits and _")
    return name


def about_of(model: type[BaseModel]) -> str:
    """What the docstring says of `model`; its bases' are of other things."""
    return inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def fields_of(model: type[BaseModel], name: str) -> dict[str, FormField]:
    """The fields of `model`, by name.

    Raises:
        AgentFault: it has none, or one that nobody can be asked for.
    """
    if issubclass(model, RootModel) or not model.model_fields:
        raise AgentFault(f"form {name}: {model.__name__} has no fields; declare what is to be asked for")
    fields = {}
    for field, info in model.model_fields.items():
        try:
            fields[field] = FormField(field, ready_of(info), info.is_required())
        except TypeError as error:
            raise AgentFault(f"form {name}, field {field}: {error}") from error
    return fields


def _checked(check: Callable[[], Checked]) -> Checked:
    """What `check` answers. The user's validators run in it, and may raise anything.

    Raises:
        ValueError: whatever it was that was raised.
    """
    try:
        return check()
    except ValueError:
        raise
    except Exception as error:
        kind = type(error).__name__
        structlog.get_logger().warning("validator_raised", error=kind)
        raise ValueError(f"it could not be checked ({kind}); ask for something else") from error


def _in_words(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    return "; ".join(
        ": ".join((*map(str, fault["loc"]), fault["msg"].removeprefix("Value error, "))) for fault in faults
    )
