"""What an agent is made of, argument by argument: what cannot be so is a fault that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from callbridge.agents.fault import AgentFault
from callbridge.agents.languages.codes import LanguageFault, checked_language
from callbridge.agents.mcp.servers import McpServer

if TYPE_CHECKING:
    from collections.abc import Iterable


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
