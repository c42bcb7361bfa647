"""MCP servers that the SDK's agents bring along: one connection a process, shared by its calls.

The object is the user's, and so is what it says of itself: filters, approvals, caches. Here it is connected,
connected again when it is lost, and closed at the end, all in one task, as the SDK wants it. One that the
user has connected is used as it is. A session sees each as a `SharedServer`: one that is not there has no
tools, and costs the agent none of its others.

Vendor page: https://openai.github.io/openai-agents-python/mcp/
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from agents import Handoff
from agents.exceptions import UserError
from agents.realtime import realtime_handoff

from callbridge.agents.mcp.lasting import heed_cancellation, innermost, log_left_out, system_in_words
from callbridge.agents.mcp.listing import ALL_BYTES_MAX, DEFINITION_BYTES_MAX, TOOLS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agents.mcp import MCPServer
    from agents.realtime import RealtimeAgent

    from callbridge.agents.mcp.connections import Connections

CONNECTS_WITHIN_S: Final = 30.0
"""For it to start and to say which tools it has, as with servers of ours."""

LISTS_WITHIN_S: Final = 10.0
"""For it to say so again."""

CLOSES_WITHIN_S: Final = 10.0
"""A program that does not end by itself the package kills after four."""

LOOK_EVERY_S: Final = 60.0
LOOK_AGAIN_S: Final = 1.0
"""How often it is asked whether it is still there: seldom, and sooner where a tool of it has failed."""

LISTED_WITHIN_S: Final = 5.0
"""What all of an agent have when a session wants its tools: for a call that begins, or is handed over."""

REASON_MAX: Final = 300
NAME_MAX: Final = 64
"""Characters of a name that the user, the SDK or the server has given: as logs and commands have it."""

_ADDRESS: Final = re.compile(r"(?<=://)(?:[^/?#\s]*@)?([^/?#\s]*)\S*?(?='?:?(?:\s|$))")
"""The SDK calls a server without a name by its address, in errors too. A key may stand behind the host."""

_TOO_MUCH: Final = (
    f"a server may have {TOOLS_MAX} tools, each with {DEFINITION_BYTES_MAX // 1024} KiB, and "
    f"{ALL_BYTES_MAX // 1024} KiB in all; choose some with tool_filter="
)

_SAME_NAME: Final = (
    "the agent has another tool of this name; choose with tool_filter=, or set "
    "mcp_config={'include_server_in_tool_names': True}"
)

_MCP_ERRORS: Final = frozenset({"MCPError", "McpError"})
"""As the two versions of the package call what a server answers in place of a result."""

_OF_CODES: Final = {
    -32000: "the connection broke off",
    -32001: "it has not answered in time",
    408: "it has not answered in time",
}
"""What the package itself says so. All other codes are the server's own, and so are their words."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class SdkServer:
    """One of them. It is the same wherever the same object stands, whatever that says it equals."""

    of: MCPServer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SdkServer) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)

    @property
    def name(self) -> str:
        """As logs and commands have it."""
        return _ADDRESS.sub(r"\1", self.of.name)[:NAME_MAX]

    def link(self) -> SdkLink:
        """A connection with it, not opened yet. A session asks by itself which tools there are."""
        return SdkLink(self)


class SdkLink:
    """The connection with one of them. For one event loop.

    Args:
        server: which.
    """

    def __init__(self, server: SdkServer) -> None:
        self._server, self.name = server.of, server.name
        self.tools: tuple[Any, ...] = ()
        """Those that a session may get, as it listed them when it was last asked, before any filter."""
        self.left_out: tuple[str, ...] = ()
        """Those that none gets, each with the reason."""
        self.trouble = "it has not answered yet"
        """Why it is not there; empty while it is."""
        self.tried = asyncio.Event()
        """It has answered, or could not be connected, once at least."""
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        """It may be gone: it is asked soon, and not in a minute."""
        self._doubted.set()

    async def live_once(self) -> None:
        """From when it is connected until it is lost. `trouble` says afterwards why that was."""
        is_ours = not is_connected(self._server)
        try:
            async with asyncio.timeout(CONNECTS_WITHIN_S):
                if is_ours:
                    await self._connect()
                await self._ask()
            _log.info("mcp_server_answers", server=self.name, tools=len(self.tools))
            while True:
                await self._rest()
                async with asyncio.timeout(LISTS_WITHIN_S):
                    await self._ask()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # The SDK's, a library's, the user's own.
            heed_cancellation(error)
            self.tools, self.trouble = (), _in_words(error)
        finally:
            self.tried.set()
            if is_ours:
                await self._close()

    async def _connect(self) -> None:
        if callable(forget := getattr(self._server, "invalidate_tools_cache", None)):
            forget()  # It may have others than before.
        await self._server.connect()  # type: ignore[no-untyped-call]  # The SDK has no type for it.

    async def _ask(self) -> None:
        """Asks which tools it has: not by the object's own method, which may answer from memory."""
        session = getattr(self._server, "session", None)
        listed = await self._server.list_tools() if session is None else (await session.list_tools()).tools
        taken, too_much = set_apart(listed)
        self.tools, self.trouble = tuple(taken), ""
        left_out = tuple(f"{tool.name[:NAME_MAX]}: {_TOO_MUCH}" for tool in too_much)
        if left_out and left_out != self.left_out:
            log_left_out(self.name, left_out)
        self.left_out = left_out
        self.tried.set()

    async def _rest(self) -> None:
        """Until it is to be asked again."""
        await asyncio.sleep(LOOK_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._doubted.wait()
        self._doubted.clear()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSES_WITHIN_S):
                await self._server.cleanup()  # type: ignore[no-untyped-call]  # Nor for this.
        except (Exception, SystemExit) as error:  # noqa: BLE001  # As above; it is gone either way.
            heed_cancellation(error)
            _log.warning("mcp_server_not_closed", server=self.name, reason=_in_words(error))


class SharedServer:
    """One of them, as a session sees it in the user's place. What is not said here is the user's object's.

    Args:
        server: which.
        connections: of the process.
        names: whose the names of tools are: the agent's own, or those of a server that was asked before. For
            one name that is there twice, the SDK would give the agent no tool at all.
        within_s: what it has to say which tools it has.
    """

    def __init__(
        self, server: SdkServer, connections: Connections, names: dict[str, object], within_s: float
    ) -> None:
        self._kept, self._connections, self._names, self._within_s = server, connections, names, within_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept.of, name)

    async def list_tools(self, *asked: Any, **more: Any) -> list[Any]:
        """Those that it has, through its filter; none where it is not there, or does not answer."""
        server, began_at = self._kept, asyncio.get_running_loop().time()
        await self._connections.tried([server], self._within_s)
        link = self._connections.link_of(server)
        if link is not None and link.trouble:
            return []
        try:
            async with asyncio.timeout_at(began_at + self._within_s):
                return self._own(set_apart(await server.of.list_tools(*asked, **more))[0])
        except (Exception, SystemExit) as error:  # noqa: BLE001  # The agent's other tools are not its fault.
            _log.warning("mcp_tools_missing", server=server.name, reason=_in_words(error))
            self._doubt()
            return []

    def _own(self, tools: list[Any]) -> list[Any]:
        """Those whose names nobody has taken; of two that are the same, the first."""
        own: dict[str, Any] = {}
        others: list[str] = []
        for tool in tools:
            if tool.name in own or self._names.setdefault(tool.name, self) is not self:
                others.append(f"{tool.name[:NAME_MAX]}: {_SAME_NAME}")
            else:
                own[tool.name] = tool
        if others:
            log_left_out(self._kept.name, others)
        return list(own.values())

    async def call_tool(self, *asked: Any, **more: Any) -> Any:
        """As it does it."""
        try:
            return await self._kept.of.call_tool(*asked, **more)
        except Exception:
            self._doubt()
            raise

    def _doubt(self) -> None:
        if (link := self._connections.link_of(self._kept)) is not None:
            link.doubt()


def sharing(agent: RealtimeAgent[Any], connections: Connections) -> RealtimeAgent[Any]:
    """What is asked for the tools of an agent: itself, where it has no servers."""
    if not agent.mcp_servers:
        return agent
    other = copy(agent)
    are_prefixed = agent.mcp_config.get("include_server_in_tool_names")  # Then the SDK keeps them apart.
    names: dict[str, object] = dict.fromkeys(_own_names(agent))
    within_s = LISTED_WITHIN_S / len(agent.mcp_servers)  # They are asked one after the other.
    shared: list[Any] = [  # Each does what a session asks of a server.
        SharedServer(SdkServer(one), connections, {} if are_prefixed else names, within_s)
        for one in agent.mcp_servers
    ]
    other.mcp_servers = shared
    other.get_system_prompt = agent.get_system_prompt  # type: ignore[method-assign]  # The user's function gets the user's agent.
    return other


def _own_names(agent: RealtimeAgent[Any]) -> Iterator[str]:
    """Of its own tools and handoffs."""
    yield from (tool.name for tool in agent.tools)
    for one in agent.handoffs:
        yield (one if isinstance(one, Handoff) else realtime_handoff(one)).tool_name


def is_connected(server: MCPServer) -> bool:
    """Whether it is; of a class of the user's own nobody knows."""
    return getattr(server, "session", None) is not None


def set_apart(tools: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Those that a session gets, in their order, and those that are too many or too long."""
    taken: list[Any] = []
    left_out: list[Any] = []
    size = 0
    for tool in tools:
        bytes_ = len(tool.model_dump_json())
        if len(taken) >= TOOLS_MAX or bytes_ > DEFINITION_BYTES_MAX or size + bytes_ > ALL_BYTES_MAX:
            left_out.append(tool)
        else:
            taken.append(tool)
            size += bytes_
    return taken, left_out


def _in_words(error: BaseException) -> str:
    """Why it is not there. Only what is known to name no secret is quoted."""
    match error := innermost(error):
        case OSError():
            reason = error.strerror or type(error).__name__
            return system_in_words(error, f"it cannot be reached or started: {reason}")
        case UserError():  # The SDK's own words, which keep keys out of them, but not the paths of addresses.
            return _ADDRESS.sub(r"\1", str(error))[:REASON_MAX]
        case _ if type(error).__name__ in _MCP_ERRORS:
            return _of_code(error)
        case _:
            return type(error).__name__


def _of_code(error: BaseException) -> str:
    """What a server has answered in place of a result. Its words may have in them what it was told."""
    code: Any = getattr(getattr(error, "error", error), "code", None)
    return _OF_CODES.get(code, f"it has answered with an error of its own (code {code})")
