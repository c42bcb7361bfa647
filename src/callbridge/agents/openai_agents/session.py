"""The SDK's own session in a call: who approves a tool does not run it, and nobody must read its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.openai_agents.mcp_servers import sharing
from callbridge.agents.openai_agents.unpublished import OpenSession
from callbridge.call.agent_facts import GuestChanged

if TYPE_CHECKING:
    from agents.realtime import RealtimeAgent, RealtimeRunConfig, RealtimeSession

    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.openai_agents.model import CallModel
    from callbridge.agents.wants import Wants

UNREAD_MAX: Final = 10_000
"""Events that wait for a function of the user's which does not read them. Behind it the oldest go."""

_log = structlog.get_logger()


class CallSession(OpenSession):
    """The session of one call.

    A tool runs in the task that waits for it (`async_tool_calls` is off): so its time is the call's to bound.

    Args:
        model: stands for the call.
        agent: who answers.
        context: what the user's code is given.
        config: as the user's runner has it.
        wants: what the call is wanted to do.
        connections: of the process, with MCP servers.
    """

    def __init__(
        self,
        model: CallModel,
        agent: RealtimeAgent[Any],
        context: object,
        config: RealtimeRunConfig,
        wants: Wants,
        connections: Connections,
    ) -> None:
        awaited: RealtimeRunConfig = {**config, "async_tool_calls": False}
        super().__init__(model, agent, context, None, awaited)
        self._calls, self._wants, self._connections = model, wants, connections
        self._has_overflown = False

    async def __aenter__(self) -> RealtimeSession:
        """See `RealtimeSession`. `async with session` in a function of the user's finds it entered."""
        return self if self._calls.is_connected else await super().__aenter__()

    async def __aexit__(self, *_raised: object) -> None:
        """The session is the call's, and ends with it: its tools are needed until then."""

    async def approve_tool_call(self, call_id: str, *, always: bool = False) -> None:
        """See `RealtimeSession`. The tool runs where it is waited for, and not where nobody does any more."""
        asked = self._calls.asked.get(call_id)
        if asked is None:
            _log.info("openai_agents_approved_late", call_id=call_id)
            return
        asked.is_for_good = always
        asked.decided.set()

    async def run_approved(self, call_id: str, *, always: bool) -> None:
        """Runs a tool that was approved."""
        await super().approve_tool_call(call_id, always=always)

    async def update_agent(self, agent: RealtimeAgent[Any]) -> None:
        """See `RealtimeSession`. It counts from the next turn boundary on."""
        await super().update_agent(agent)
        self._wants.add(GuestChanged(agent.name))

    def asked(self, agent: RealtimeAgent[Any]) -> RealtimeAgent[Any]:
        """See `OpenSession`."""
        return sharing(agent, self._connections)

    def drop_unread(self) -> None:
        """The oldest events go that nobody reads."""
        while self.unread.qsize() > UNREAD_MAX:
            self.unread.get_nowait()
            if not self._has_overflown:
                _log.warning("openai_agents_events_lost", reason="the function `events` does not read them")
            self._has_overflown = True
