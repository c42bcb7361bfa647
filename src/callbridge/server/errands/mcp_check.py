"""Asks MCP servers which tools they have. None is run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.agents.mcp.connections import link_to
from callbridge.agents.mcp.servers import Address
from callbridge.observe.redaction import escaped
from callbridge.server.config.findings import ok, warning
from callbridge.server.config.setting_values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.choosing.choice import Roster
    from callbridge.agents.mcp.connections import AnyServer
    from callbridge.agents.mcp.lasting import Link
    from callbridge.agents.mcp.servers import OurServer
    from callbridge.server.config.findings import Finding

NAMED_MAX: Final = 12
"""Tools that are named; of the rest there is a count."""

_NAME_MAX: Final = 64
"""Characters of a name. A server of ours has it within that already, one of somebody else's agent has not."""


async def ask_mcp_servers(roster: Roster) -> list[Finding]:
    """What there is to say of each that callbridge connects to; nothing where there is none."""
    agents = [agent for _, agent in roster.all_agents]
    ours = dict.fromkeys(server for agent in agents for server in agent.our_servers)
    guests = [agent.guest for agent in agents if agent.guest is not None]
    theirs = dict.fromkeys(server for guest in guests for server in guest.servers)
    found = await asyncio.gather(*map(_asked, ours), *map(_asked, theirs))
    return [*found, *(finding for server in ours for finding in _in_the_open(server))]


def _in_the_open(server: OurServer) -> Iterator[Finding]:
    """Whether what it is shown travels for everybody to read."""
    if not isinstance(server.place, Address) or not server.place.headers:
        return
    url = urlsplit(server.place.url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield warning(
            f"the headers for MCP server {server.name} go over http://, which everybody on the way can read",
            "Use https:// unless the network is your own.",
        )


async def _asked(server: AnyServer) -> Finding:
    link = link_to(server, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(link.live_once(), name=f"MCP server {server.name}")
        await link.tried.wait()
        found = _finding(link)
        life.cancel()
    return found


def _finding(link: Link) -> Finding:
    name, tools = escaped(link.name), [escaped(tool.name[:_NAME_MAX]) for tool in link.tools]
    if link.trouble:
        return warning(
            f"MCP server {name} is not there: {escaped(link.trouble)}",  # It may have printed anything.
            "Calls are taken all the same, without its tools until it answers.",
        )
    more = f" and {len(tools) - NAMED_MAX} more" if len(tools) > NAMED_MAX else ""
    found = f"MCP server {name} has {', '.join(tools[:NAMED_MAX]) or 'no tools'}{more}"
    if not link.left_out:
        return ok(found)
    return warning(
        f"{found}; left out: {escaped('; '.join(link.left_out[:NAMED_MAX]))}",
        "Choose some of them, or have the server correct them.",
    )
