"""Finds who answers, as `CALLBRIDGE_AGENT` says: `module:name`, or a file or a folder of written agents."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.choosing.gathering import add_to, roster_of
from callbridge.agents.fault import AgentError
from callbridge.agents.handoffs.handoff import Handoff
from callbridge.agents.openai_agents.recognising import INSTALL, SDK, is_guest
from callbridge.agents.written.reading import WrittenAgent, read_agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType


def load_roster(name: str, environment: Mapping[str, str]) -> Roster:
    """The agents that `name` means, looked for in the current folder first.

    Args:
        name: `module:name`, of an agent, a mapping of called numbers to agents, a function that chooses one
            or a roster; or a TOML file of an agent, or a folder of such files.
        environment: where written agents find their secrets.

    Raises:
        AgentError: the name is malformed, the module cannot be imported, or what is there answers no call.
    """
    if name.endswith(".toml") or (name and ":" not in name and Path(name).is_dir()):
        return _written(Path(name), environment)
    module_name, _, object_name = name.partition(":")
    if not module_name or not object_name:
        raise AgentError(
            f"CALLBRIDGE_AGENT={name}: write it as module:name, for example shop.agent:agent, "
            "or as a file or a folder of agents in TOML"
        )
    module = _imported(name, module_name)
    found = _found_in(module, object_name, name)
    try:
        return roster_of(found, vars(module), object_name)
    except AgentError as error:
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {error}") from error


def _written(path: Path, environment: Mapping[str, str]) -> Roster:
    """The agents of one file, or of all files in a folder. All that is wrong with any of them is told."""
    files = sorted(path.glob("[!.]*.toml")) if path.is_dir() else [path]
    if not files:
        raise AgentError(f"CALLBRIDGE_AGENT={path}: there is no file that ends in .toml in this folder")
    agents: dict[str, Agent] = {}
    numbers: dict[str, str] = {}
    written: dict[Path, WrittenAgent] = {}
    wrong: list[str] = []
    for file in files:
        try:
            written[file] = _add_written(file, environment, agents, numbers)
        except AgentError as error:
            wrong.append(str(error))
    if not wrong:
        wrong = [fault for file, found in written.items() for fault in _lead_on(file, found, agents)]
    if wrong:
        raise AgentError("\n".join(wrong))
    return Roster(agents, numbers=numbers)


def _add_written(
    file: Path, environment: Mapping[str, str], agents: dict[str, Agent], numbers: dict[str, str]
) -> WrittenAgent:
    found = read_agent(file, environment)
    name = found.agent.name or file.stem
    add_to(agents, name, found.agent)
    for number in found.numbers:
        if numbers.setdefault(number, name) != name:
            raise AgentError(f"{number} is answered by {numbers[number]} and by {name}")
    return found


def _lead_on(file: Path, found: WrittenAgent, agents: Mapping[str, Agent]) -> Iterator[str]:
    """Its handoffs, once all agents are there; what is wrong with them."""
    for name, handoff in found.handoffs.items():
        if name in agents:
            made = Handoff(agents[name], description=handoff.description, say=handoff.say)
            found.agent.handoffs.append(made)
        else:
            known = ", ".join(agents)
            yield f"{file}: handoffs.{name}: there is no agent {name} in the folder; there are: {known}"


def _imported(name: str, module_name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise AgentError(
                f"CALLBRIDGE_AGENT={name}: there is no module {error.name} in {folder}, nor is one installed"
            ) from error
        if (error.name or "").partition(".")[0] == SDK:
            raise AgentError(
                f"CALLBRIDGE_AGENT={name}: {module_name} needs the OpenAI Agents SDK, which is missing: "
                f"{INSTALL}"
            ) from error
        raise _broken(name, module_name, error) from error
    except (Exception, SystemExit) as error:  # A user's module may raise anything while it is imported.
        raise _broken(name, module_name, error) from error


def _found_in(module: ModuleType, object_name: str, name: str) -> Any:
    """What the module has under this name; whether it can answer is judged by who gathers it."""
    found = getattr(module, object_name, None)
    if found is None:
        agents = ", ".join(
            own for own, value in vars(module).items() if isinstance(value, Agent) or is_guest(value)
        )
        meant = f"; did you mean {agents}?" if agents else f", in {module.__file__}"
        raise AgentError(f"CALLBRIDGE_AGENT={name}: {module.__name__} has no {object_name}{meant}")
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
