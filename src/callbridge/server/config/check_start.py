"""Says what a start would come to: the agent, the clip, the state. It is rehearsed in `server.preparing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.server.config.check_models import voice
from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.agent import Agent
    from callbridge.server.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of all that a start does before it listens."""

    agent: Agent | None
    """Who would answer; nothing where that cannot be loaded."""

    faults: tuple[Finding, ...]
    """Why the service would not start."""


def start(settings: Settings, rehearsal: Rehearsal) -> Iterator[Finding]:
    """Who answers, with which voice, and what keeps the service from starting."""
    yield from rehearsal.faults
    if rehearsal.agent is not None:
        yield from _agent(settings, rehearsal.agent)
    if not rehearsal.faults:
        yield _state(settings)


def _agent(settings: Settings, agent: Agent) -> Iterator[Finding]:
    if settings.agent is None:
        yield ok("the agent is made from CALLBRIDGE_AGENT_INSTRUCTIONS and CALLBRIDGE_AGENT_GREETING")
    else:
        tools = ", ".join(agent.toolbox.names) or "none"
        yield ok(f"the agent is {settings.agent}; its tools: {tools}")
    yield voice(settings, agent.voice or settings.realtime_voice)


def _state(settings: Settings) -> Finding:
    if settings.state_path is not None:
        return ok(f"what happens is kept in {settings.state_path}")
    if not settings.is_public:
        return ok("what happens is kept in memory only")
    lost = "after a restart nothing is known of live calls, of callers' earlier calls and of the spending"
    return warning(
        f"CALLBRIDGE_STATE_PATH is not set: {lost}",
        "Set CALLBRIDGE_STATE_PATH to a file on a disk that outlives the process.",
    )
