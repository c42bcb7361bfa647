"""Finds the agent object that `CALLBRIDGE_AGENT=module:name` names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from callbridge.agents.agent import Agent


class AgentError(ValueError):
    """The agent cannot be loaded. The text says why and what to do."""


def load_agent(name: str) -> Agent:
    """The agent that `name` (`module:name`) means, looked for in the current folder first.

    Raises:
        AgentError: the name is malformed, the module cannot be imported, or the object is not an `Agent`.
    """
    module_name, _, object_name = name.partition(":")
    if not module_name or not object_name:
        raise AgentError(f"CALLBRIDGE_AGENT={name}: write it as module:name, for example shop.agent:agent")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # A user's module may raise anything while it is imported.
        raise AgentError(f"CALLBRIDGE_AGENT={name}: importing {module_name} failed: {error!r}") from error
    found = getattr(module, object_name, None)
    if found is None:
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {module_name} has no {object_name}")
    if not isinstance(found, Agent):
        kind = type(found).__name__
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {object_name} is a {kind}, not a callbridge.Agent")
    return found
