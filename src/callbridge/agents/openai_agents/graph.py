"""The agents of the SDK to which a call may be handed: found before there is one, by running nothing."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from agents import Handoff
from agents.realtime import RealtimeAgent

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
        target = _target(handoff) if isinstance(handoff, Handoff) else handoff
        if isinstance(target, RealtimeAgent):
            yield target


def _target(handoff: Handoff[Any, Any]) -> object:
    """Whom a handoff leads to; None where only its function knows, which runs when the call is handed over.

    `realtime_handoff` keeps the agent nowhere but in the variables of its function.
    """
    invoke = handoff.on_invoke_handoff
    made = invoke.args[0] if isinstance(invoke, functools.partial) and invoke.args else invoke
    return inspect.getclosurevars(made).nonlocals.get("agent") if inspect.isfunction(made) else None
