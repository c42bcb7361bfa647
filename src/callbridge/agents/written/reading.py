"""Reads an agent's file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from callbridge.agents.fault import AgentError
from callbridge.agents.written.faults import Fault, faults_of_reading, told
from callbridge.agents.written.file_model import AgentFile
from callbridge.agents.written.key_lines import key_lines, line_of
from callbridge.agents.written.making import agent_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from callbridge.agents.agent import Agent
    from callbridge.agents.written.handoff_tables import WrittenHandoff

FILE_BYTES_MAX: Final = 1024 * 1024
"""A longer one is no agent, but a mistake."""


_IN_STEPS: Final = frozenset({"tools", "capture", "transfers", "handoffs", "steps", "anywhere"})
"""What steps are made of."""


@dataclass(frozen=True)
class WrittenAgent:
    """An agent that was read from a file."""

    agent: Agent
    numbers: tuple[str, ...]
    """The called numbers that it says it answers."""
    handoffs: Mapping[str, WrittenHandoff]
    """To whom it may hand its callers over, by the names of agents of other files."""


def read_agent(path: Path, environment: Mapping[str, str]) -> WrittenAgent:
    """The agent that is written down in `path`.

    Args:
        path: the file. Its name without `.toml` is the agent's name, unless it says another.
        environment: where secrets are looked for.

    Raises:
        AgentError: it cannot be read, or cannot be an agent. The text has all faults that were found.
    """
    text = _text_in(path)
    data = _parsed(text, path)
    try:
        file, faults = AgentFile.model_validate(data), list[Fault]()
        places = list(range(len(file.tools)))
    except ValidationError as error:
        faults = faults_of_reading(error, data, AgentFile)
        file, places = _what_is_right(data, faults)
    agent, more = agent_of(file, path.stem, environment, places)
    faults += more
    if faults:
        lines = key_lines(text)
        raise AgentError(
            told(faults, {fault.path: line_of(fault.path, lines) for fault in faults}, str(path))
        )
    return WrittenAgent(agent, tuple(file.numbers), file.handoffs)


def _text_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise AgentError(f"{path} has more than {FILE_BYTES_MAX // 1024} KiB, and is no agent")
        return content.decode("utf-8-sig")  # Some editors of Windows begin a file with a mark.
    except OSError as error:
        raise AgentError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise AgentError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # A number of thousands of digits is no fault of tomllib's.
        raise AgentError(f"{path} is not TOML: {error}") from error


def _what_is_right(data: dict[str, Any], faults: Iterable[Fault]) -> tuple[AgentFile, list[int]]:
    """The file without what is wrong in it, so that what else is wrong is found, too.

    A tool that has a fault is left out whole, and so is every other thing on top; the steps, too, where
    something is left out that they may name. With it the places of the tools that are left.
    """
    wrong = {fault.path[:2] if fault.path[:1] == ("tools",) else fault.path[:1] for fault in faults}
    right = {name: value for name, value in data.items() if (name,) not in wrong}
    if not _IN_STEPS.isdisjoint(path[0] for path in wrong):
        right = {name: value for name, value in right.items() if name not in {"steps", "anywhere"}}
    places: list[int] = []
    if ("allow",) not in wrong and isinstance(tools := right.pop("tools", []), list):
        places = [place for place in range(len(tools)) if ("tools", place) not in wrong]
        right["tools"] = [tools[place] for place in places]
    else:
        right.pop("tools", None)  # Where they may go is not known.
    return AgentFile.model_validate({"who": "?"} | right), places
