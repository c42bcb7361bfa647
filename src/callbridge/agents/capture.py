"""`Form`: data that an agent asks its caller for, field by field, until a whole object can be passed on.

`Agent.capture` makes one for all of a call; a step of a flow may hold one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from callbridge.agents.fault import AgentFault
from callbridge.agents.forms import words
from callbridge.agents.forms.in_call import FormInCall
from callbridge.agents.forms.plan import FormPlan, Happening, about_of, fields_of, name_of
from callbridge.agents.forms.users_code import Handler, handler_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.agents.context import About
    from callbridge.agents.fields.ready import Ready
    from callbridge.agents.wants import Wants

    Function = TypeVar("Function", bound=Callable[..., object])

Model = TypeVar("Model", bound=BaseModel)


class Form(Generic[Model]):
    """What is to be captured.

    A field without a default is needed. One with a default is asked for too, and may be left out.

    Args:
        model: the object that is made; its fields are asked for in their order.
        name: what it is called in facts, and in the names of its tools; by default that of the model.
        then: see `captured`.
        refused: see `refused`.

    Raises:
        AgentFault: the model, or a function, cannot be used so.
        ToolError: the model of a call would refuse the schema of a field.
    """

    def __init__(
        self,
        model: type[Model],
        *,
        name: str = "",
        then: Callable[..., object] | None = None,
        refused: Callable[..., object] | None = None,
    ) -> None:
        self.model, self.name = model, name_of(model, name)
        self._fields = fields_of(model, self.name)
        self._handlers: dict[Happening, Handler] = {}
        self._plan = FormPlan(self.name, model, about_of(model), self._fields, self._handlers)
        self._opening = words.opening(self._plan)
        if then is not None:
            self.captured(then)
        if refused is not None:
            self.refused(refused)

    def captured(self, function: Function) -> Function:
        """Runs `function` once with the whole object, when all of it is there, right and confirmed.

        It is given the call, in a parameter annotated `Call`, and the object. What it answers is told to the
        model, `None` as a success. It runs once or, where a process dies at that moment, never.

        Raises:
            AgentFault: it has other parameters, or there is one already.
        """
        return self._handle("captured", function)

    def refused(self, function: Function) -> Function:
        """Runs `function` once when the caller does not want to give something that is needed.

        It is given the call, in a parameter annotated `Call`, and the name of the field.

        Raises:
            AgentFault: it has other parameters, or there is one already.
        """
        return self._handle("refused", function)

    def _handle(self, happening: Happening, function: Function) -> Function:
        where = f"form {self.name}, {happening}"
        if happening in self._handlers:
            raise AgentFault(f"{where}: there is a function already; keep one")
        self._handlers[happening] = handler_of(function, where, f"{self.name}_{happening}")
        return function

    def in_call(self, wants: Wants, about: About) -> FormInCall:
        """The form in one call: an ability of its agent."""
        return FormInCall(self._plan, self._opening, wants, about)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The tools that the model has because of it."""
        return tuple(tool.name for tool in self._opening.tools.values())

    @property
    def goes_by_the_clock(self) -> bool:
        """Whether it asks for a day or a time."""
        return any(field.ready.goes_by_the_clock for field in self._fields.values())

    def ready(self, field: str) -> Ready | None:
        """How a field of it is read, and read back; None where there is no such field."""
        return self._fields[field].ready if field in self._fields else None

    def schema(self) -> dict[str, Any]:
        """The form for a reader: what is asked for, in which order, and by which tools."""
        return {
            "name": self.name,
            "about": self._plan.about,
            "fields": [
                {
                    "name": field.name,
                    "is_needed": field.is_needed,
                    "has_keys": field.ready.keys is not None,
                    "schema": field.ready.schema(),
                }
                for field in self._fields.values()
            ],
            "tools": list(self.tool_names),
            "calls": sorted(self._handlers),
        }

    def __repr__(self) -> str:
        return f"<Form {self.name} with fields: {', '.join(self._fields)}>"
