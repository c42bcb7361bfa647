"""Makes MCP servers of what was read. Nothing is connected here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.fault import AgentFault
from callbridge.agents.http.secrets import names_a_secret
from callbridge.agents.mcp.servers import McpServer
from callbridge.agents.written.mcp_tables import WrittenAddress, WrittenProgram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.agents.written.key_lines import KeyPath
    from callbridge.agents.written.mcp_tables import WrittenOfTheModel, WrittenServer
    from callbridge.agents.written.workshop import Workshop

_SECRET_NAME: Final = re.compile(r"(key|token|secret|password)$", re.IGNORECASE)
"""What is called so is a secret. In the file everybody would read it who reads the agent."""

_NAMED: Final = re.compile(r"(MCP server [^:,]*|McpServer\.\w+)[:,] ")
"""Which one it is: the fault has its table and its line already."""


def servers_of(workshop: Workshop, written: Iterable[WrittenServer]) -> Iterator[McpServer]:
    """The servers that were written down, without those that have faults."""
    names = set[str]()
    for place, one in enumerate(written):
        path, count = ("mcp_servers", place), len(workshop.faults)
        try:
            server = _server_of(workshop, path, one)
        except AgentFault as fault:
            if len(workshop.faults) == count:  # Otherwise it follows from what was found before.
                workshop.fault(path, _NAMED.sub("", str(fault), count=1))
            continue
        if server.name in names:
            workshop.fault(path, f"there are two MCP servers named {server.name}; give one another `name`")
        names.add(server.name)
        yield server


def _server_of(workshop: Workshop, path: KeyPath, one: WrittenServer) -> McpServer:
    given: dict[str, Any] = one.model_dump(exclude={"type"}, exclude_none=True)
    match one:
        case WrittenProgram():
            if any(map(names_a_secret, one.args)):
                workshop.fault((*path, "args"), "no secret stands in an argument; give it in `env`")
            given["env"] = {name: _variable(workshop, path, name, value) for name, value in one.env.items()}
            return McpServer.stdio(**given)
        case WrittenAddress():
            given["headers"] = _headers(workshop, path, one)
            return McpServer.http(**given)
        case _:
            given["headers"] = _headers(workshop, path, one)
            if one.authorization is not None:
                given["authorization"] = workshop.secret((*path, "authorization"), one.authorization)
            return McpServer.of_the_model(**given)


def _headers(workshop: Workshop, path: KeyPath, one: WrittenAddress | WrittenOfTheModel) -> dict[str, str]:
    if names_a_secret(one.url):
        workshop.fault((*path, "url"), "an address is shown: no secret stands there; give it in `headers`")
    return {name: _header(workshop, path, name, value) for name, value in one.headers.items()}


def _header(workshop: Workshop, path: KeyPath, name: str, value: str) -> str:
    if _SECRET_NAME.search(name):
        return workshop.secret((*path, "headers", name), value)
    return workshop.header(path, name, value)


def _variable(workshop: Workshop, path: KeyPath, name: str, value: str) -> str:
    where = (*path, "env", name)
    return workshop.secret(where, value) if _SECRET_NAME.search(name) else workshop.filled(where, value)
