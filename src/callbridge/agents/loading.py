"""Finds the agent object that `CALLBRIDGE_AGENT=module:name` names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from callbridge.agents.agent import Agent

if TYPE_CHECKING:
    from types import ModuleType


class AgentError(ValueError):
    """The agent cannot be loaded. The text says why; `where` is the traceback, if the user's code raised."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.where = where


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
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise AgentError(
                f"CALLBRIDGE_AGENT={name}: there is no module {error.name} in {folder}, nor is one installed"
            ) from error
        raise _broken(name, module_name, error) from error
    except (Exception, SystemExit) as error:  # A user's module may raise anything while it is imported.
        raise _broken(name, module_name, error) from error
    return _agent_in(module, object_name, name)


def _agent_in(module: ModuleType, object_name: str, name: str) -> Agent:
    found = getattr(module, object_name, None)
    if found is None:
        agents = ", ".join(own for own, value in vars(module).items() if isinstance(value, Agent))
        meant = f"; did you mean {agents}?" if agents else f", in {module.__file__}"
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {module.__name__} has no {object_name}{meant}")
    if not isinstance(found, Agent):
        kind = type(found).__name__
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {object_name} is a {kind}, not a callbridge.Agent")
    return found


def _broken(name: str, module_name: str, error: BaseException) -> AgentError:
    """What a module raised while it was imported: at which line of the user's own, and the way there."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in {__file__, importlib.__file__} and not frame.filename.startswith("<")
    ]
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())]
    if isinstance(error, SyntaxError) and error.filename is not None:
        place = f" at {error.filename}:{error.lineno}"
    else:
        place = "".join(f" at {frame.filename}:{frame.lineno}" for frame in (own or frames)[-1:])
    what = f"CALLBRIDGE_AGENT={name}: importing {module_name} failed{place}: {type(error).__name__}: {error}"
    lines = traceback.format_list(frames) + traceback.format_exception_only(error)
    return AgentError(what, "".join(lines).rstrip())
