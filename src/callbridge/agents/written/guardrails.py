"""Makes guardrails of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbridge.agents.guardrails.guardrail import Guardrail, ToolGuardrail
from callbridge.agents.guardrails.phrases import Phrases
from callbridge.agents.handoffs.handoff import tool_name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.agent import Agent
    from callbridge.agents.guardrails.guardrail import AnyGuardrail
    from callbridge.agents.http.answers import Path
    from callbridge.agents.written.file_model import AgentFile
    from callbridge.agents.written.guardrail_tables import WrittenGuardrail, WrittenToolGuardrail
    from callbridge.agents.written.workshop import Workshop


def guardrails_of(workshop: Workshop, file: AgentFile) -> Iterator[AnyGuardrail]:
    """The guardrails that were written down. The record tells them apart by their names."""
    of_words = [(("guardrails", place), one.name) for place, one in enumerate(file.guardrails)]
    of_tools = [(("tool_guardrails", place), one.name) for place, one in enumerate(file.tool_guardrails)]
    names = set[str]()
    for path, name in (*of_words, *of_tools):
        if name in names:
            workshop.fault(path, f"there are two guardrails named {name}; rename one")
        names.add(name)
    yield from map(_of_words, file.guardrails)
    for place, guarded in enumerate(file.tool_guardrails):
        where = ("tool_guardrails", place, "where")
        condition = None if guarded.where is None else workshop.path(where, guarded.where)
        yield _of_tools(guarded, condition)


def _of_words(one: WrittenGuardrail) -> Guardrail:
    phrases = Phrases(one.phrases)

    async def looks(text: str) -> bool:  # Beside the call: it is done before a thread would begin.
        return phrases.are_in(text)

    looks.__name__, looks.__doc__ = one.name, one.about
    return Guardrail(looks, every=one.every, say=one.say, waits=phrases.hang_on_more)


def _of_tools(one: WrittenToolGuardrail, condition: Path | None) -> ToolGuardrail:
    tools = None if one.tools is None else frozenset(one.tools)

    async def looks(tool: str, arguments: dict[str, Any]) -> str | bool:
        if tools is not None and tool not in tools:
            return False
        return bool(condition is None or condition.find(arguments)) and (one.about or True)

    looks.__name__, looks.__doc__ = one.name, one.about
    return ToolGuardrail(looks)


def check_guarded(workshop: Workshop, file: AgentFile, agent: Agent) -> None:
    """Finds tools that nobody has: what is misspelt is guarded by nothing."""
    if agent.our_servers:
        return  # Theirs are not known before they are asked.
    known = {*agent.toolbox.names, *agent.toolbox.reserved, *map(tool_name_of, file.handoffs)}
    for place, one in enumerate(file.tool_guardrails):
        for name in one.tools or ():
            if name not in known:
                workshop.fault(("tool_guardrails", place, "tools"), f"there is no tool {name}")
