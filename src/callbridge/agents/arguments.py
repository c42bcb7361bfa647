"""What an agent is made of, argument by argument: what cannot be so is a fault that says why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ValidationError

from callbridge.agents.fault import AgentFault
from callbridge.agents.flow.transitions import KEYS
from callbridge.agents.languages.codes import LanguageFault, checked_language
from callbridge.agents.mcp.servers import McpServer
from callbridge.agents.time_zones import is_time_zone
from callbridge.agents.tools.tool import TIMEOUT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,48}", re.ASCII)
"""A name rides in the stream token."""


def is_agent_name(name: str) -> bool:
    """Whether an agent may be called so: it rides in the stream token."""
    return bool(_NAME.fullmatch(name))


def check_single_values(
    name: str,
    time_zone: str | None,
    tool_timeout_s: float | None,
    spend_max: float | None,
    person_key: str,
) -> None:
    """Refuses what cannot be so, whatever else the agent has.

    Raises:
        AgentFault: the first of them that cannot.
    """
    fits = {
        f"agent {name!r}: a name has at most 48 letters a to z, digits, _, . and -": (
            not name or is_agent_name(name)
        ),
        f"time_zone={time_zone!r}: there is none of this name; write one such as Europe/Berlin": (
            time_zone is None or is_time_zone(time_zone)
        ),
        f"tool_timeout_s={tool_timeout_s}: a tool has at most {TIMEOUT_S_MAX:g} s": (
            tool_timeout_s is None or 0 < tool_timeout_s <= TIMEOUT_S_MAX
        ),
        f"spend_max={spend_max}: write US dollars such as 0.50, at least 0.01": (
            spend_max is None or 0.01 <= spend_max < 1e9
        ),
        f"person_key={person_key!r}: a key is one of 0 to 9 and *": not person_key or person_key in KEYS,
    }
    wrong = next((what for what, is_so in fits.items() if not is_so), None)
    if wrong is not None:
        raise AgentFault(wrong)


def checked_servers(servers: Iterable[McpServer]) -> tuple[McpServer, ...]:
    """The MCP servers, each of a name of its own.

    Raises:
        AgentFault: one is none, or two have the same name.
    """
    checked = tuple(servers)
    for server in checked:
        if not isinstance(server, McpServer):
            raise AgentFault(
                f"mcp_servers: {server!r} is none; make one with McpServer.stdio or McpServer.http"
            )
    names = [server.name for server in checked]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise AgentFault(f"there are two MCP servers named {twice}; give one another name=…")
    return checked


def language_or_fault(language: str | None) -> str | None:
    """The language as the vendors write it.

    Raises:
        AgentFault: there is no such language.
    """
    try:
        return language and checked_language(language)
    except LanguageFault as fault:
        raise AgentFault(f"language={language!r} {fault}") from fault


def checked_values(values: type[BaseModel] | None) -> type[BaseModel] | None:
    """What `call.values` is.

    Raises:
        AgentFault: it has a field without a default.
    """
    if values is not None:
        try:
            values()
        except ValidationError as error:
            missing = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
            raise AgentFault(f"values={values.__name__}: give these fields a default: {missing}") from error
    return values
