"""A guest in one call, as an ability of the agent that stands for it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from callbridge.agents.openai_agents.host import Host
from callbridge.agents.openai_agents.playing import Tracked
from callbridge.agents.openai_agents.telling import Telling
from callbridge.call.agent_facts import GuestChanged
from callbridge.call.facts import GuardrailTripped

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from agents.realtime import RealtimeAgent, RealtimeModelEvent

    from callbridge.agents.context import Call
    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.openai_agents.host import Hosting
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.wire.realtime_events import ServerEvent

_NO_WORKS: Final[Mapping[str, AnyTool]] = MappingProxyType({})


class GuestInCall:
    """The ability.

    Args:
        hosting: who the guest is.
        wants: what the call is wanted to do.
        connections: of the process, with MCP servers.
        taken: names of other tools of the call.
    """

    works = _NO_WORKS
    keys = None

    def __init__(
        self, hosting: Hosting, wants: Wants, connections: Connections, taken: Collection[str]
    ) -> None:
        self._hosting, self._host = hosting, Host(hosting, wants, connections, taken)
        self._model = self._host.model
        self._telling = Telling(hosting.characters_each, has_raw=hosting.events is not None)
        self._agent = hosting.start.name
        """Who speaks."""
        self._call: Call[Any] | None = None
        self._tracked: Tracked | None = None

    # --- What the session of the model is to be -------------------------------------------------------

    @property
    def instructions(self) -> str:
        """Those of the SDK's agent that speaks; what is written of them, until the session is ready."""
        if self._model.is_connected:
            return self._model.instructions
        written = self._speaking.instructions
        return written if isinstance(written, str) else ""

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Its tools and handoffs."""
        return self._model.tools

    @property
    def _speaking(self) -> RealtimeAgent[Any]:
        return self._hosting.agents.get(self._agent, self._hosting.start)

    # --- What happens ---------------------------------------------------------------------------------

    def restore(self, fact: Fact) -> None:
        """See `Ability`."""
        if isinstance(fact, GuestChanged):
            self._agent = fact.agent
            if fact.agent not in self._hosting.agents:
                structlog.get_logger().warning(
                    "openai_agents_agent_not_known", agent=fact.agent, instead=self._speaking.name
                )

    def told(self, fact: Fact) -> None:
        """See `Ability`."""
        if isinstance(fact, GuestChanged):
            self._agent = fact.agent
        if isinstance(fact, GuardrailTripped):
            self._model.tripped(fact)
        self._tell(self._telling.told(fact))
        if self._tracked is not None:
            self._tracked.told(fact)

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:
        """See `Ability`."""

    def pressed(self, keys: str) -> str | None:
        """See `Ability`."""

    def model_says(self, event: ServerEvent) -> None:
        """See `Watching`."""
        self._tell(self._telling.model_says(event))

    def _tell(self, events: Iterable[RealtimeModelEvent]) -> None:
        for event in events:
            self._model.tell(event)

    # --- The session of the SDK -----------------------------------------------------------------------

    async def prepare(self, call: Call[Any]) -> None:
        """See `Preparing`."""
        self._call = call
        await self._host.enter(call, self._speaking)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """See `Running`."""
        call = self._call
        assert call is not None, "it was prepared"
        if (make := self._hosting.playback_tracker) is not None:
            self._tracked = Tracked(lambda: make(call))
        self._tell(self._telling.earlier(call.transcript))
        tasks.create_task(self._host.run(call, self._speaking), name="openai agents")

    def hang_up(self) -> None:
        """See `Running`."""
        self._host.hang_up()


class ListeningGuest(GuestInCall):
    """One that is told words as they come: a guardrail looks at them, or a function of the user's may."""

    def hears(self, by: Literal["agent", "caller"], item_id: str, words: str) -> None:
        """See `Hearing`."""
        self._tell(self._telling.hears(by, item_id, words))
