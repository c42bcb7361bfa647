"""The agents of the SDK to which a call may be handed: found before there is one, by running nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import Handoff
from agents.realtime import RealtimeAgent

from callbridge.agents.openai_agents.unpublished import led_to

if TYPE_CHECKING:
    from collections.abc import Iterator


def reachable(start: RealtimeAgent[Any]) -> dict[str, RealtimeAgent[Any]]:
    """By name, `start` first. Of two that are called the same, the one that is nearer."""
    found = {start.name: start}
    waiting = [start]
    while waiting:
        for agent in _led_to(waiting.pop(0)):
            if agent.name not in found:
                found[agent.name] = agent
                waiting.append(agent)
    return found


def _led_to(agent: RealtimeAgent[Any]) -> Iterator[RealtimeAgent[Any]]:
    for handoff in agent.handoffs:
        target = led_to(handoff) if isinstance(handoff, Handoff) else handoff
        if isinstance(target, RealtimeAgent):
            yield target
