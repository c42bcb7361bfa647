"""Makes requests, and the tools that are such, of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.http.parameters import Parameter, is_of_kind
from callbridge.agents.http.recipe import WITH_BODY, Recipe
from callbridge.agents.http.tool import http_tool
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import Manner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.http.answers import Path, Wanted
    from callbridge.agents.http.parameters import Place
    from callbridge.agents.tools.given import GivenTool
    from callbridge.agents.written.key_lines import KeyPath
    from callbridge.agents.written.request_tables import WrittenDelivery, WrittenParameter, WrittenTool
    from callbridge.agents.written.workshop import Workshop


def tool_of(
    workshop: Workshop, path: KeyPath, tool: WrittenTool, timeout_s: float | None
) -> GivenTool | None:
    """The tool that was written down; None where that has faults.

    Args:
        workshop: what it is made with.
        path: where in the file it stands.
        tool: what was read.
        timeout_s: what it may take unless it says so.
    """
    count = len(workshop.faults)
    recipe = recipe_of(workshop, path, tool)
    wanted = wanted_of(workshop, (*path, "result"), tool.result)
    if len(workshop.faults) > count:
        return None
    try:
        return http_tool(
            tool.name,
            tool.description,
            recipe,
            wanted=wanted,
            manner=_manner_of(tool, timeout_s),
            sender=workshop.sender,
            secrets=workshop.secrets,
        )
    except ToolError as error:
        workshop.fault(path, str(error))
        return None


def _manner_of(tool: WrittenTool, timeout_s: float | None) -> Manner:
    is_later = tool.answers == "later"
    return Manner(
        timeout_s=tool.timeout_s or (None if is_later else timeout_s),
        is_irreversible=tool.irreversible,
        is_confirmed=tool.confirm,
        while_running=tool.while_running,
        has_waiting_sound=tool.waiting_sound,
        stops_at_hangup=tool.when_caller_hangs_up == "cancel",
        is_later=is_later,
    )


def recipe_of(workshop: Workshop, path: KeyPath, request: WrittenTool | WrittenDelivery) -> Recipe:
    """How its requests are made."""
    in_path = Recipe(request.method, request.url).in_path
    headers = {name: workshop.header(path, name, value) for name, value in request.headers.items()}
    parameters = []
    for name, one in request.parameters.items():
        where = (*path, "parameters", name)
        place = one.sent_in or _usual_place(name, request.method, in_path)
        parameters.append(_parameter(workshop, where, name, one, place))
    recipe = Recipe(request.method, request.url, parameters, headers)
    for part, text in recipe.faults(workshop.allowed):
        workshop.fault((*path, *part.split(".", 1)), text)
    return recipe


def wanted_of(workshop: Workshop, path: KeyPath, result: str | dict[str, str]) -> Wanted:
    """What of the answer is told."""
    if isinstance(result, str):
        return "nothing" if result == "nothing" else "whole"
    wanted: dict[str, Path] = {}
    for name, text in result.items():
        if (found := workshop.path((*path, name), text)) is not None:
            wanted[name] = found
    return wanted


def _parameter(
    workshop: Workshop, path: KeyPath, name: str, one: WrittenParameter, place: Place
) -> Parameter:
    for text in _faults_of(one):
        workshop.fault(path, text)
    value = workshop.filled((*path, "value"), one.value) if isinstance(one.value, str) else one.value
    return Parameter(
        name,
        place,
        one.type,
        one.description,
        is_required=one.required,
        choices=tuple(one.enum or ()),
        sent_as=one.sent_as or "",
        of_call=one.of_call,
        value=value,
    )


def _usual_place(name: str, method: str, in_path: Sequence[str]) -> Place:
    """Where it is sent if the file does not say it."""
    if name in in_path:
        return "path"
    return "body" if method in WITH_BODY else "query"


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
