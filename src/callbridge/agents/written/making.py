"""Makes an agent of what was read, and finds what cannot be one."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from callbridge.agents.agent import Agent
from callbridge.agents.detection import SemanticVad, ServerVad
from callbridge.agents.fault import AgentFault
from callbridge.agents.http.answers import Path, PathFault
from callbridge.agents.http.origins import OriginFault, listed_origin
from callbridge.agents.http.parameters import Parameter, is_of_kind
from callbridge.agents.http.recipe import WITH_BODY, Recipe
from callbridge.agents.http.secrets import SecretFault, Secrets, names_a_secret
from callbridge.agents.http.sending import Sender
from callbridge.agents.http.tool import http_tool
from callbridge.agents.schema import ToolError
from callbridge.agents.tools import Manner
from callbridge.agents.written.faults import Fault
from callbridge.agents.written.file_model import SilenceDetection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.agents.given import GivenTool
    from callbridge.agents.http.answers import Wanted
    from callbridge.agents.http.origins import Origin
    from callbridge.agents.http.parameters import Place
    from callbridge.agents.written.file_model import AgentFile, HttpRequest, WrittenParameter, WrittenTool
    from callbridge.agents.written.key_lines import KeyPath

_SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token"}
)
"""What stands in these is a secret. In the file everybody would read it who reads the agent."""


class Making:
    """Makes one agent. With `faults` there is something, and it answers nobody.

    Args:
        file: what was read.
        stem: the agent's name, unless the file says another.
        environment: where secrets are looked for.
        places: where in the file each tool stands that was read.
    """

    def __init__(
        self, file: AgentFile, stem: str, environment: Mapping[str, str], places: Sequence[int]
    ) -> None:
        self._file = file
        self._secrets = Secrets(environment)
        self.faults: list[Fault] = []
        self.allowed = self._allowed()
        self.agent = self._plain_agent(stem)
        for place, tool in zip(places, file.tools, strict=True):
            self._add_tool(("tools", place), tool)

    def _fault(self, path: KeyPath, text: str) -> None:
        self.faults.append(Fault(path, text))

    def _allowed(self) -> list[Origin]:
        allowed = []
        for place, entry in enumerate(self._file.allow):
            try:
                allowed.append(listed_origin(entry))
            except OriginFault as error:
                self._fault(("allow", place), str(error))
        return allowed

    def _plain_agent(self, stem: str) -> Agent:
        file = self._file
        given = file.model_dump(include=_AS_THEY_ARE)
        try:
            name = file.name or stem
            return Agent(instructions=file.who, name=name, turn_detection=_detection_of(file), **given)
        except AgentFault as error:
            self._fault((), str(error))
            return Agent()

    # --- Requests ---

    @cached_property
    def _sender(self) -> Sender:
        return Sender()

    def _add_tool(self, path: KeyPath, tool: WrittenTool) -> None:
        count = len(self.faults)
        recipe = self._recipe(path, tool, tool.parameters)
        wanted = self._wanted((*path, "result"), tool.result)
        if len(self.faults) > count:
            return
        try:
            self.agent.toolbox.add(self._http_tool(tool, recipe, wanted))
        except ToolError as error:
            self._fault(path, str(error))

    def _http_tool(self, tool: WrittenTool, recipe: Recipe, wanted: Wanted) -> GivenTool:
        is_later = tool.answers == "later"
        manner = Manner(
            timeout_s=tool.timeout_s or (None if is_later else self._file.tool_timeout_s),
            is_irreversible=tool.irreversible,
            is_confirmed=tool.confirm,
            while_running=tool.while_running,
            has_waiting_sound=tool.waiting_sound,
            stops_at_hangup=tool.when_caller_hangs_up == "cancel",
            is_later=is_later,
        )
        return http_tool(
            tool.name,
            tool.description,
            recipe,
            wanted=wanted,
            manner=manner,
            sender=self._sender,
            secrets=self._secrets,
        )

    def _recipe(
        self, path: KeyPath, request: HttpRequest, parameters: Mapping[str, WrittenParameter]
    ) -> Recipe:
        headers = {name: self._header(path, name, value) for name, value in request.headers.items()}
        places = Recipe(request.method, request.url).in_path
        recipe = Recipe(
            request.method,
            request.url,
            [
                self._parameter((*path, "parameters", name), name, one, _place_of(name, one, request, places))
                for name, one in parameters.items()
            ],
            headers,
        )
        for where, text in recipe.faults(self.allowed):
            self._fault((*path, *where.split(".", 1)), text)
        return recipe

    def _header(self, path: KeyPath, name: str, value: str) -> str:
        where = (*path, "headers", name)
        if name.lower() in _SECRET_HEADERS and not names_a_secret(value):
            self._fault(where, f'keep the secret in the environment, and write {name} = "…${{ITS_NAME}}"')
        return self._filled(where, value)

    def _filled(self, path: KeyPath, text: str) -> str:
        try:
            return self._secrets.fill(text)
        except SecretFault as error:
            self._fault(path, str(error))
            return "?"

    def _parameter(self, path: KeyPath, name: str, one: WrittenParameter, place: Place) -> Parameter:
        for text in _faults_of(one):
            self._fault(path, text)
        return Parameter(
            name,
            place,
            one.type,
            one.description,
            is_required=one.required,
            choices=tuple(one.enum or ()),
            sent_as=one.sent_as or "",
            of_call=one.of_call,
            value=self._filled((*path, "value"), one.value) if isinstance(one.value, str) else one.value,
        )

    def _wanted(self, path: KeyPath, result: str | dict[str, str]) -> Wanted:
        if isinstance(result, str):
            return "nothing" if result == "nothing" else "whole"
        wanted: dict[str, Path] = {}
        for name, text in result.items():
            try:
                wanted[name] = Path(text)
            except PathFault as error:
                self._fault((*path, name), f"this is no JMESPath expression: {error}")
        return wanted


_AS_THEY_ARE: Final = {
    *(
        "greeting",
        "voice",
        "language",
        "time_zone",
        "model",
        "reasoning_effort",
        "tool_timeout_s",
        "spend_max",
    ),
    *("can_hang_up", "greeting_interruptible", "person_key"),
}
"""Keys that `Agent` has, too."""


def _detection_of(file: AgentFile) -> ServerVad | SemanticVad | None:
    if (found := file.turn_detection) is None:
        return None
    given = found.model_dump(exclude={"type"})
    return ServerVad(**given) if isinstance(found, SilenceDetection) else SemanticVad(**given)


def _place_of(name: str, one: WrittenParameter, request: HttpRequest, in_path: Sequence[str]) -> Place:
    """Where it is sent: the file says so, or it goes without saying."""
    if one.sent_in is not None:
        return one.sent_in
    if name in in_path:
        return "path"
    return "body" if request.method in WITH_BODY else "query"


def _faults_of(one: WrittenParameter) -> list[str]:
    faults = []
    is_models = one.of_call is None and one.value is None
    if one.of_call is not None and one.value is not None:
        faults.append("it is `of_call` or has a `value`, not both")
    if not is_models and (one.enum or one.description):
        faults.append("the model does not see it: it has no `enum` and no `description`")
    if one.value is not None and not one.required:
        faults.append("it always has its `value`: `required` says nothing")
    if is_models and not all(is_of_kind(one.type, choice) for choice in one.enum or ()):
        faults.append(f"everything in `enum` must be of type {one.type}")
    return faults
