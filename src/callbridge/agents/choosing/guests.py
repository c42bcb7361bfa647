"""Agents of the OpenAI Agents SDK, where an agent of ours may stand: each becomes one that stands for it."""

from __future__ import annotations

from callbridge.agents.agent import Agent
from callbridge.agents.fault import AgentError, AgentFault
from callbridge.agents.openai_agents.recognising import is_guest, maker
from callbridge.agents.tools.schema import ToolError


class Guests:
    """Those of the SDK that were found: each becomes one agent, wherever else it stands."""

    def __init__(self) -> None:
        self._made: dict[int, Agent] = {}

    def agent_in(self, value: object) -> Agent | None:
        """The agent that `value` is, or that stands for it; None where it is neither.

        Raises:
            AgentError: it is one of the SDK, and cannot answer a call as it is.
        """
        if isinstance(value, Agent):
            return value
        if not is_guest(value):
            return None
        if id(value) not in self._made:
            try:
                self._made[id(value)] = maker()(value)
            except (AgentFault, ToolError, ImportError) as error:
                raise AgentError(str(error)) from error
        return self._made[id(value)]
