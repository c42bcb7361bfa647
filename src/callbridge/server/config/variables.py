"""What the process is told: its environment and the file `.env` in the current folder.

Nothing else in the package looks at the environment. Values are not judged here, only whether each could be
read as it was meant, and whether it has the name of a setting.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.server.config.env_file import Entry, LineFault, decoded, read_lines, unquoted
from callbridge.server.config.setting_names import (
    begins_like_ours,
    meant_in_a_file,
    meant_in_the_environment,
    unknown_names,
)
from callbridge.server.config.setting_problems import Problem, mistaken_name, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

ENV_FILE: Final = ".env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """All that was told, by its names in capitals."""

    values: Mapping[str, str] = field(repr=False)
    """Empty ones are not among them: they count as not set."""

    places: Mapping[str, str]
    """The file and line of those that do not come from the environment."""

    problems: tuple[Problem, ...]
    """What cannot be read, and names that no setting has. The process does not start with them."""

    doubts: tuple[Problem, ...]
    """Names of nothing that look as if a setting was meant. They may be another program's."""

    is_file_open_to_others: bool = False
    """Whether other users of this machine can read the file."""


def given_variables(environment: Mapping[str, str], known: Collection[str]) -> Variables:
    """Those of `environment` alone. `known`: the names of all settings."""
    return _variables(environment, _File(), known)


def own_variables(known: Collection[str], options: Mapping[str, str]) -> Variables:
    """Those of this process and of its `.env` file, which counts where the environment says nothing.

    `options` were named on the command line, and count before both.
    """
    return _variables({**os.environ, **options}, _read_file(Path(ENV_FILE)), known)


@dataclass(frozen=True, slots=True)
class _File:
    entries: tuple[Entry, ...] = ()
    faults: tuple[Problem, ...] = ()
    is_open_to_others: bool = False


def _variables(environment: Mapping[str, str], file: _File, known: Collection[str]) -> Variables:
    # Case does not matter, but the spelling in capitals goes first.
    ordered = sorted(environment.items(), key=lambda item: item[0].isupper())
    process = {name.upper(): unquoted(value.strip()) for name, value in ordered}
    filed = {entry.name.upper(): entry for entry in file.entries}
    told = {name: value for name, value in process.items() if value}
    values = {name: entry.value for name, entry in filed.items() if entry.value.strip()} | told
    places = {name: _place(entry.line) for name, entry in filed.items() if name not in told}
    given = {name: entry.value for name, entry in filed.items()} | process
    unknown = [unknown_name(name, known, places.get(name, "")) for name in unknown_names(given, known)]
    doubts = {
        **{name: meant_in_the_environment(name, known) for name in process},
        **{name: meant_in_a_file(name, known) for name in filed},
    }
    return Variables(
        values=values,
        places=places,
        problems=(*file.faults, *unknown),
        doubts=tuple(
            mistaken_name(name, meant, places.get(name, ""))
            for name, meant in doubts.items()
            # Who has set that one as well knows what they do.
            if meant is not None and meant not in given
        ),
        is_file_open_to_others=file.is_open_to_others,
    )


# --- The file ---------------------------------------------------------------------------------------


def _read_file(path: Path) -> _File:
    try:
        # A folder of that name is an old habit of virtual environments.
        if not path.exists() or path.is_dir():
            return _File()
        data, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        remedy = "Let this user read it, or move it away."
        return _File(faults=(Problem(ENV_FILE, f"cannot be read ({error.strerror})", remedy),))
    text, wrong = decoded(data)
    found = list(read_lines(text))
    faults = [*wrong, *(each for each in found if isinstance(each, LineFault) and _is_ours(each))]
    return _File(
        entries=tuple(each for each in found if isinstance(each, Entry)),
        faults=(*_rights(mode), *map(_problem, faults)),
        is_open_to_others=os.name == "posix" and bool(mode & stat.S_IROTH),
    )


def _is_ours(fault: LineFault) -> bool:
    """How other programs read their values is their affair."""
    return not fault.name or begins_like_ours(fault.name.upper())


def _rights(mode: int) -> Iterator[Problem]:
    # Windows has other rights, and shows all files as writable.
    if os.name == "posix" and mode & stat.S_IWOTH:
        what = "can be changed by every user of this machine, who could send your calls elsewhere"
        yield Problem(ENV_FILE, what, f"Run: chmod 600 {ENV_FILE}")


def _problem(fault: LineFault) -> Problem:
    if fault.name:
        return Problem(fault.name.upper(), fault.what, fault.remedy + ".", _place(fault.line))
    return Problem(_place(fault.line), fault.what, fault.remedy + ".")


def _place(line: int) -> str:
    return f"{ENV_FILE}, line {line}"
