"""One connection with one server: opened, looked after, opened again.

It belongs to the process and is shared by its calls. What the server has at the moment is in `tools`; how it
comes to be there is nobody's business outside.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import anyio
import mcp_types as types
import structlog
from mcp.client.client import Client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from callbridge.agents.mcp.answers import IN_DOUBT, NEEDS_A_PERSON, told_of
from callbridge.agents.mcp.bounds import Metered
from callbridge.agents.mcp.lasting import heed_cancellation, innermost, log_left_out, system_in_words
from callbridge.agents.mcp.listing import Found, Listed, tools_of
from callbridge.agents.mcp.over_http import BROKE_OFF, NOT_REACHED, OverHttp
from callbridge.agents.mcp.over_stdio import OverStdio
from callbridge.agents.mcp.readable import FAULT
from callbridge.agents.mcp.servers import Command
from callbridge.agents.tools.tool import failure
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mcp.client._transport import TransportStreams
    from mcp.client.session import ClientSession, IncomingMessage

    from callbridge.agents.context import Call
    from callbridge.agents.mcp.servers import OurServer
    from callbridge.agents.tools.given import Answer, GivenTool
    from callbridge.agents.tools.tool import ToolResult

ANSWERS_WITHIN_S: Final = 30.0
"""For it to start and to say which tools it has: some are fetched from a registry when they are first run."""

LISTS_WITHIN_S: Final = 10.0
"""For it to say so again."""

LOOK_EVERY_S: Final = 60.0
"""How often it is asked although it has said nothing: so it is seen that it has died, or that it has changed
where it cannot tell."""

LOOK_AGAIN_S: Final = 1.0
"""The shortest time between two lists, whatever it says."""

CHANGES_MAX: Final = 5
"""So many changes within `LOOK_EVERY_S`, and it is asked that often only: each costs every call an update of
its session, and all that the model has read is read anew."""

AT_ONCE_MAX: Final = 64
"""Tools that run on one server, for all calls together."""

PAGES_MAX: Final = 8
"""Of a list."""

LAST_WORDS_MAX: Final = 300
"""Characters of what a program has printed last, for whoever wants to know why it does not start."""

_log = structlog.get_logger()

_LOST: Final = frozenset({BROKE_OFF, types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT})
"""Codes of errors that are no answer."""

_RESULT: Final[TypeAdapter[types.CallToolResult | types.InputRequiredResult]] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)


class Connection:
    """With one server. For one event loop.

    Args:
        server: which.
        changed: told when `tools` are others.
    """

    def __init__(self, server: OurServer, changed: Callable[[], object]) -> None:
        self.server, self._changed = server, changed
        self._now = asyncio.get_running_loop().time
        self.tools: tuple[GivenTool, ...] = ()
        """What it has at the moment; nothing while it is not there."""
        self.trouble = "it has not answered yet"
        """Why it is not there; empty while it is."""
        self.tried = asyncio.Event()
        """It has said which tools it has, or could not be opened, once at least."""
        self.left_out: tuple[str, ...] = ()
        """Those of its tools that no model would take, each with the reason."""
        self._session: ClientSession | None = None
        self._look = asyncio.Event()
        """It is to be asked which tools it has."""
        self._is_gone = asyncio.Event()
        """Perhaps: it is asked at once, also where it is asked seldom."""
        self._heard: tuple[Listed, ...] | None = None
        self._changes: deque[float] = deque(maxlen=CHANGES_MAX)
        self._running = 0
        self._why_ended = ""

    @property
    def name(self) -> str:
        """The server's, as logs have it."""
        return self.server.name

    # --- Its life ---

    async def live_once(self) -> None:
        """From its first word to its last one. `trouble` says afterwards why that was."""
        place = self.server.place
        way = OverStdio(place, self._ended) if isinstance(place, Command) else OverHttp(place, self._ended)
        self._why_ended, self._heard = "", None
        try:
            await self._speak(way)
        except Exception as error:  # noqa: BLE001  # A library's, and whatever a server makes of it.
            heed_cancellation(error)
            has_begun = self._session is not None
            trouble = self._why_ended or _in_words(error)
            if way.last_words and not has_begun:
                # Before it has answered no caller's words were sent, so there are none in it.
                trouble += f"; it has printed: {self._masked(way.last_words).strip()[-LAST_WORDS_MAX:]}"
            self.trouble = self._masked(trouble)
            if not has_begun:
                # One that comes back at once has them still: no session is changed twice for it.
                self._take(())
        finally:
            self._session = None
            self.tried.set()

    async def _speak(self, way: OverStdio | OverHttp) -> None:
        """Asks which tools it has, again and again; returns never.

        Raises:
            Exception: it is lost.
        """
        async with asyncio.timeout(ANSWERS_WITHIN_S) as in_time, self._opened(way) as client:
            session = client.session
            while True:
                self._look.clear()
                self._is_gone.clear()
                async with asyncio.timeout(LISTS_WITHIN_S):
                    listed = await _listed(session)
                if self._session is None:
                    in_time.reschedule(None)
                    self._session, self.trouble = session, ""
                    _log.info("mcp_server_answers", server=self.server.name, tools=len(listed))
                self._compare(listed)
                self.tried.set()
                await self._rest()

    @contextlib.asynccontextmanager
    async def _opened(self, way: OverStdio | OverHttp) -> AsyncIterator[Client]:
        client = Client(
            self._streams(way),
            message_handler=self._said,
            client_info=types.Implementation(name="callbridge", version="1"),
            cache=None,
        )
        async with client, anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, client)
            yield client
            tasks.cancel_scope.cancel()

    @contextlib.asynccontextmanager
    async def _streams(self, way: OverStdio | OverHttp) -> AsyncIterator[TransportStreams]:
        async with way.opened() as (read, write):
            yield Metered(read, self._ended), write

    def _ended(self, why: str) -> None:
        """Nothing more comes from it."""
        self._why_ended = self._why_ended or why
        self._doubt()

    def _doubt(self) -> None:
        """It may be gone: that is seen now, and not in a minute."""
        self._look.set()
        self._is_gone.set()

    async def _said(self, message: IncomingMessage) -> None:
        """It says something by itself. Only that its tools have changed matters."""
        if isinstance(message, types.ToolListChangedNotification):
            self._look.set()

    async def _listen(self, client: Client) -> None:
        """The same since the protocol of 2026-07-28. What is missed is found by the next look."""
        with contextlib.suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._look.set()

    async def _rest(self) -> None:
        """Until it is to be asked again."""
        is_restless = len(self._changes) == CHANGES_MAX and self._now() - self._changes[0] < LOOK_EVERY_S
        if is_restless:
            _log.warning("mcp_tools_change_often", server=self.server.name, looked_at_every_s=LOOK_EVERY_S)
        await asyncio.sleep(LOOK_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await (self._is_gone if is_restless else self._look).wait()

    def _masked(self, words: str) -> str:
        """Words of the server, without what it was told in confidence: some print their settings."""
        for secret in self.server.secrets:
            words = words.replace(secret, "********")
        return words

    # --- Its tools ---

    def _compare(self, listed: tuple[Listed, ...]) -> None:
        """Takes a list, if it is another one than before."""
        if listed == self._heard:
            return
        if self._heard is not None:
            self._changes.append(self._now())
        self._heard = listed
        found: Found = tools_of(self.server.handling, listed, self._doing)
        is_news, self.left_out = found.left_out != self.left_out, found.left_out
        if found.left_out and is_news:
            log_left_out(self.server.name, found.left_out)
        self._take(found.tools)

    def _take(self, tools: tuple[GivenTool, ...]) -> None:
        # Those of a connection that was opened again are others, and for the model the same.
        if [tool.definition for tool in tools] != [tool.definition for tool in self.tools]:
            self.tools = tools
            self._changed()

    def _doing(self, name: str) -> Answer:
        async def answer(arguments: dict[str, Any], _call: Call[Any]) -> ToolResult:
            return await self.run(name, arguments)

        return answer

    async def run(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Runs one of its tools; whoever asks bounds the time. Whatever goes wrong is told."""
        session = self._session
        if session is None:
            return failure("the service behind this tool cannot be reached; nothing was done")
        if self._running >= AT_ONCE_MAX:
            return failure(
                "the service behind this tool has too much to do; nothing was done", ToolOutcome.BUSY
            )
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=name, arguments=arguments))
        self._running += 1
        try:
            # Not `call_tool`: that judges the answer by a schema of the server's, on the loop of all calls.
            result = await session.send_request(request, _RESULT)
        except MCPError as error:
            return self._refused(error)
        except ValidationError:
            why = f"the service behind this tool has answered with what is no result{IN_DOUBT}"
            return failure(why, ToolOutcome.TIMED_OUT)
        finally:
            self._running -= 1
        if isinstance(result, types.InputRequiredResult):
            return failure(NEEDS_A_PERSON, ToolOutcome.REFUSED)
        return told_of(result)

    def _refused(self, error: MCPError) -> ToolResult:
        if error.code == NOT_REACHED:
            self._doubt()
            return failure("the service behind this tool cannot be reached; nothing was done")
        if error.code in {types.INVALID_PARAMS, types.METHOD_NOT_FOUND}:
            return failure(error.message, ToolOutcome.REFUSED)
        if error.code == types.PARSE_ERROR:  # What has come of it is not to be read.
            return failure(f"{error.message}{IN_DOUBT}", ToolOutcome.TIMED_OUT)
        if error.code not in _LOST:
            return failure(error.message)
        self._doubt()
        return failure(f"the service behind this tool has not answered{IN_DOUBT}", ToolOutcome.TIMED_OUT)


async def _listed(session: ClientSession) -> tuple[Listed, ...]:
    """What it has, page by page."""
    listed: list[Listed] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        listed += map(as_listed, page.tools)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(listed)


def as_listed(tool: types.Tool) -> Listed:
    """A tool as the library has read it."""
    fault = str((tool.meta or {}).get(FAULT, ""))
    return Listed(tool.name, tool.description or "", tool.input_schema, fault)


def _in_words(error: BaseException) -> str:
    """Why it is lost."""
    match error := innermost(error):
        case MCPError():
            return error.message[:300]
        case ValidationError():
            return "what it answers is not what the protocol says"
        case OSError():
            return system_in_words(error, f"it cannot be started: {error.strerror or error}")
        case _:
            return type(error).__name__
