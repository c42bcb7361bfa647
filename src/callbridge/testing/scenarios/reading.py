"""Reads a `*.call.toml`: one call, or several as `[[call]]`, with what stands above them for all.

A table (`settings`, `tools`, `expect`) that stands above is joined with that of the call, key by key;
everything else of a call takes the place of what stands above.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.agents.written.faults import Fault, told
from callbridge.testing.scenarios.faults import faults_in
from callbridge.testing.scenarios.file_model import SUFFIX, Scenario
from callbridge.testing.scenarios.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from callbridge.agents.written.key_lines import KeyPath

FILE_BYTES_MAX: Final = 1024 * 1024
"""A longer one is no scenario, but a mistake."""

CALLS: Final = "call"
"""The table of which there may be several."""


class ScenarioError(ValueError):
    """A file that cannot be read. The text says where, and what to do; of all that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One call of a file."""

    scenario: Scenario
    path: Path
    line: int
    """Where it begins."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.scenario.name


def read_scenarios(path: Path) -> list[Found]:
    """The calls that are written down in `path`, in their order.

    Raises:
        ScenarioError: it cannot be read, or is no file of calls.
    """
    text = _text_in(path)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # A number of thousands of digits is no fault of tomllib's.
        raise ScenarioError(f"{path} is not TOML: {error}; correct that line") from error
    places = Places(text)
    tables, faults = _tables_in(data)
    faults += [fault for at, table in tables for fault in _moved(faults_in(table, Scenario), at, data)]
    faults += _faults_of_names(tables)
    if faults:
        once = {(fault.path, fault.text): fault for fault in faults}.values()
        lines = {fault.path: places.line_of(fault.path) for fault in once}
        raise ScenarioError(told(once, lines, str(path), "a file of calls"))
    return [
        Found(_named(msgspec.convert(table, Scenario), path), path, places.line_of(at) or 1)
        for at, table in tables
    ]


def _text_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror}; check its name") from error
    if len(content) > FILE_BYTES_MAX:
        raise ScenarioError(f"{path} has more than {FILE_BYTES_MAX // 1024} KiB, and is no file of calls")
    try:
        return content.decode("utf-8-sig")  # Some editors of Windows begin a file with a mark.
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from error


def _tables_in(data: dict[str, Any]) -> tuple[list[tuple[KeyPath, dict[str, Any]]], list[Fault]]:
    """Each call with all that holds for it, and where in the file it stands."""
    if CALLS not in data:
        return [((), data)], []
    calls = data[CALLS]
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return [], [Fault((CALLS,), "write each call as a table of its own: [[call]]")]
    above = {name: value for name, value in data.items() if name != CALLS}
    return [((CALLS, place), _joined(above, call)) for place, call in enumerate(calls)], []


def _joined(above: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**above, **call}
    for name in above.keys() & call.keys():
        if isinstance(above[name], dict) and isinstance(call[name], dict):
            joined[name] = {**above[name], **call[name]}
    return joined


def _moved(faults: Iterable[Fault], at: KeyPath, data: Any) -> Iterable[Fault]:
    """Faults with their path in the file: within the call, or above it where it stands there."""
    for fault in faults:
        own = (*at, *fault.path)
        is_above = bool(at) and not _is_there(own, data) and _is_there(fault.path, data)
        yield Fault(fault.path, fault.text) if is_above else Fault(own, fault.text)


def _is_there(path: KeyPath, data: Any) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _faults_of_names(tables: Iterable[tuple[KeyPath, Mapping[str, Any]]]) -> list[Fault]:
    """Several calls of a file are told apart by their names."""
    seen: set[str] = set()
    faults = []
    for at, table in tables:
        name = table.get("name", "")
        if at and not name:
            faults.append(Fault((*at, "name"), "it is missing"))
        elif name in seen:
            faults.append(Fault((*at, "name"), f"there is another call named {name!r}; rename one"))
        seen.add(name)
    return faults


def _named(scenario: Scenario, path: Path) -> Scenario:
    name = scenario.name or path.name.removesuffix(SUFFIX)
    return msgspec.structs.replace(scenario, name=name)
