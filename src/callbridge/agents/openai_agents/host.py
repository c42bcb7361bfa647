"""Hosts the SDK's session in one call: enters it, tells it what happens, runs tools in it, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from agents.realtime import (
    RealtimeModelConnectionStatusEvent,
    RealtimeModelEndOfStreamEvent,
    RealtimeModelErrorEvent,
    RealtimeModelToolCallEvent,
)

from callbridge.agents.openai_agents.model import Asked, CallModel
from callbridge.agents.openai_agents.plain_tools import tool_runs
from callbridge.agents.openai_agents.session import CallSession
from callbridge.agents.openai_agents.telling import CHARACTERS_EACH, function_call
from callbridge.agents.openai_agents.tools import Waits
from callbridge.agents.texts import NoAnswer, asked_about
from callbridge.agents.tools.leash import Leash
from callbridge.agents.tools.tool import ToolRefused, ToolResult
from callbridge.call.agent_facts import GuestChanged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager

    from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunConfig, RealtimeSession

    from callbridge.agents.context import Call
    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.openai_agents.tools import HostedTool
    from callbridge.agents.wants import Wants

CONTEXT_S: Final = 1.0
"""What a function has that makes the context of a call."""

LATE_S: Final = 10.0
"""What the session has that was not ready when the stream was admitted. The agent talks meanwhile."""

NOT_APPROVED: Final = (
    "The tool was not run: it needs somebody's approval, and nobody is there who could give it. Tell the "
    "caller that you cannot do this, and do not call the tool again."
)
NOT_IN_TIME: Final = (
    "The tool was not run, and nothing was done: nobody has approved it in time. Tell the caller so; call it "
    "again only if they ask for it."
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a guest is hosted, in every call."""

    start: RealtimeAgent[Any]
    agents: Mapping[str, RealtimeAgent[Any]]
    """All to whom the call may be handed, as far as that is known, by name."""
    config: RealtimeRunConfig
    context: Callable[..., Any] | None = None
    """Makes the context of a call; without it that is the call."""
    events: Callable[[RealtimeSession, Call[Any]], Awaitable[None]] | None = None
    playback_tracker: Callable[[Call[Any]], RealtimePlaybackTracker] | None = None
    waits: Waits = field(default_factory=Waits)
    """How the caller waits for its tools."""

    @property
    def characters_each(self) -> int:
        """How many characters are told at a time: a guardrail that wants to look sooner does."""
        wanted = self.config.get("guardrails_settings", {}).get("debounce_text_length", CHARACTERS_EACH)
        return min(wanted, CHARACTERS_EACH)


class Host:
    """Of one call.

    Args:
        hosting: who the guest is.
        wants: what the call is wanted to do.
        connections: of the process, with MCP servers.
        taken: names of other tools of the call.
    """

    def __init__(
        self, hosting: Hosting, wants: Wants, connections: Connections, taken: Collection[str]
    ) -> None:
        self._hosting, self._wants, self._connections = hosting, wants, connections
        self.model = CallModel(wants, self._ask, hosting.waits, taken)
        self._session: CallSession | None = None
        self._one_by_one = asyncio.Lock() if hosting.config.get("async_tool_calls") is False else None
        self._is_over = asyncio.Event()
        self._tools_are_done = asyncio.Event()
        self._tools_are_done.set()

    async def enter(self, call: Call[Any], agent: RealtimeAgent[Any]) -> None:
        """Makes the session, of the agent that is to speak, and asks it what the model is to be.

        Raises:
            NoAnswer: the function that makes the context has not.
            Exception: whatever the user's code raises that is asked for instructions and tools.
        """
        hosting, context = self._hosting, call
        if hosting.context is not None:
            context = await asked_about(call, hosting.context, CONTEXT_S)
        session = CallSession(self.model, agent, context, hosting.config, self._wants, self._connections)
        try:
            await session.enter()
        except SystemExit as error:  # It would end the process, and every call with it.
            raise RuntimeError("the SDK's agent wanted to end the process") from error
        self._session = session

    async def run(self, call: Call[Any], agent: RealtimeAgent[Any]) -> None:
        """Carries the session to its end. A fault of the user's code is in the log, and costs no call."""
        if self._session is None:
            await self._enter_late(call, agent)
        if (session := self._session) is None:
            self.model.is_over = True
            return
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell(session), name="openai agents telling")
            tasks.create_task(self._read(session, call), name="openai agents events")
            try:
                await self._is_over.wait()
                await self.model.all_told()
                await self._tools_are_done.wait()
            finally:
                await session.close()
                telling.cancel()

    def hang_up(self) -> None:
        """The stream has ended. Tools that run may finish."""
        self.model.tell(RealtimeModelConnectionStatusEvent("disconnected"))
        self.model.tell(RealtimeModelEndOfStreamEvent())
        self._is_over.set()

    async def _enter_late(self, call: Call[Any], agent: RealtimeAgent[Any]) -> None:
        """What it needs was not to be had in time, a list of tools of an MCP server for example."""
        try:
            async with asyncio.timeout(LATE_S):
                await self.enter(call, agent)
        except Exception as error:  # noqa: BLE001  # The user's code; the call goes on with what is written.
            _log.warning("openai_agents_not_ready", reason=_reason(error), agent=agent.name)

    async def _tell(self, session: CallSession) -> None:
        while True:
            try:
                await self.model.tell_next()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # So here.
                _log.warning("openai_agents_listener_failed", reason=_reason(error))
            session.drop_unread()

    async def _read(self, session: CallSession, call: Call[Any]) -> None:
        """Lets the user's function read the events; what it leaves is read away, for they have no bound."""
        if self._hosting.events is not None:
            leash = Leash(partial(_read_by, self._hosting.events, session, call))
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_awaited(leash), name="openai agents user's events")
                try:
                    await asyncio.wait({reading})
                finally:
                    leash.end()  # Also one that will not be cancelled: the call would wait for it.
        async for _ in session:
            pass

    # --- Tools ----------------------------------------------------------------------------------------

    async def _ask(self, tool: HostedTool, call_id: str, arguments: str) -> ToolResult:
        """Has the session do a tool, in the task of who asks: if that is cancelled, so is the tool."""
        if (session := self._session) is None:
            raise ToolRefused("the tool was not run: it is not ready yet; try again in a moment")
        asked = self.model.asked[call_id] = Asked(asyncio.get_running_loop().create_future())
        self._tools_are_done.clear()
        taken = self.model.settings_taken
        try:
            await self._do(session, asked, RealtimeModelToolCallEvent(tool.name, call_id, arguments, call_id))
        finally:
            session.forget(call_id)
            del self.model.asked[call_id]
            if not self.model.asked:
                self._tools_are_done.set()
        if tool.leads_to and self.model.settings_taken != taken:
            self._wants.add(GuestChanged(tool.leads_to, tool.name))
        if not asked.answer.done():
            raise ToolRefused("the tool was not run; call it again with a new request if it is still needed")
        return asked.answer.result()

    async def _do(self, session: CallSession, asked: Asked, called: RealtimeModelToolCallEvent) -> None:
        self.model.tell(function_call(called.call_id, called.name, called.arguments))
        self.model.tell(called, session)
        await self.model.all_told()
        try:
            with tool_runs(asyncio.get_running_loop()):
                async with self._one_at_a_time:
                    await session.on_event(called)
                if session.awaits_approval(called.call_id):
                    await self._decided(session, asked, called)
        except Exception:  # Told to the session, and raised to who answers the model.
            self.model.tell(RealtimeModelErrorEvent({"message": f"Tool call failed: {called.name}"}))
            raise

    async def _decided(self, session: CallSession, asked: Asked, called: RealtimeModelToolCallEvent) -> None:
        """Somebody decides whether a tool is run. Meanwhile others run."""
        if self._hosting.events is None:
            why = "it needs approval; give guest(…, events=…) a function that calls session.approve_tool_call"
            await _refused(session, called, why, NOT_APPROVED)
            return
        within_s = self._hosting.waits.approved_within_s
        try:
            async with asyncio.timeout(within_s):
                await asked.decided.wait()
        except TimeoutError:
            await _refused(session, called, f"nobody has approved it within {within_s:g} s", NOT_IN_TIME)
            return
        if not asked.answer.done():
            async with self._one_at_a_time:
                await session.run_approved(called.call_id, always=asked.is_for_good)

    @property
    def _one_at_a_time(self) -> AbstractAsyncContextManager[object]:
        """Within it a tool runs; others may at the same time, unless the runner wants it otherwise."""
        return self._one_by_one or contextlib.nullcontext()


async def _refused(session: CallSession, called: RealtimeModelToolCallEvent, why: str, told: str) -> None:
    """A tool is not run: the log says why, and the model is told."""
    _log.warning("openai_agents_not_approved", tool=called.name, reason=why)
    await session.reject_tool_call(called.call_id, rejection_message=told)


async def _awaited(leash: Leash) -> None:
    await leash


async def _read_by(
    events: Callable[[RealtimeSession, Call[Any]], Awaitable[None]], session: RealtimeSession, call: Call[Any]
) -> None:
    try:
        await events(session, call)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # And here.
        _log.warning("openai_agents_events_failed", reason=_reason(error))


def _reason(error: BaseException) -> str:
    """What was raised, and where. What it says may be about the caller."""
    if isinstance(error, NoAnswer):
        return error.why
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    return f"{type(error).__name__}{where}"
