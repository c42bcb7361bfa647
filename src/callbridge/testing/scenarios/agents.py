"""Who answers the call of a scenario: a module's agent, a file of Python or TOML, or whom the settings name.

Files are looked for beside the scenario; modules in the current folder, and in that of the project.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.agents.choosing.loading import load_roster
from callbridge.agents.fault import AgentError
from callbridge.server.config.settings import find_variables

if TYPE_CHECKING:
    from callbridge.agents.choosing.choice import Roster

SETTING: Final = "CALLBRIDGE_AGENT"
USUAL: Final = "agent"
"""What an agent of a file is called that is not named behind a colon."""


def agent_of(named: str, scenario: Path) -> tuple[Roster, str]:
    """Who is meant by `agent` in this scenario, and the name under which they were loaded.

    Raises:
        AgentError: nobody is named, or they cannot be loaded. The text says what to do.
    """
    variables = find_variables().values
    name = named or variables.get(SETTING, "")
    if not name:
        raise AgentError(
            f'nobody answers: write agent = "module:name" into {scenario.name}, or set {SETTING} in .env'
        )
    with_place = _in_place(name, scenario.absolute().parent) if named else name
    try:
        return load_roster(with_place, variables), with_place
    except AgentError as error:
        if not named:
            raise
        text = str(error).replace(f"{SETTING}={with_place}", f'agent = "{named}"')
        raise AgentError(text) from error


def _in_place(name: str, folder: Path) -> str:
    """The name as `load_roster` takes it: files with their folder, modules where they can be imported."""
    file, _, variable = name.partition(":")
    if file.endswith(".py"):
        return f"{_imported(folder / file)}:{variable or USUAL}"
    if ":" not in name and (folder / name).exists():
        return str(folder / name)
    project = _project_of(folder)
    if project is not None and str(project) not in sys.path:
        sys.path.append(str(project))  # Behind the current folder, which `load_roster` puts in front.
    return name


def _imported(file: Path) -> str:
    """Imports a file as a module, with its neighbours in reach. Of two with one name each has its own."""
    name = file.stem
    if not file.is_file():
        raise AgentError(f"there is no file {file}; it is looked for beside the scenario")
    known = sys.modules.get(name)
    if known is not None and Path(known.__file__ or "").resolve() != file.resolve():
        name = f"{name}_in_{file.parent.name}"
    if name not in sys.modules:
        if str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            raise AgentError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return name


def _project_of(folder: Path) -> Path | None:
    """The folder of the project that a scenario belongs to."""
    return next((one for one in (folder, *folder.parents) if (one / "pyproject.toml").is_file()), None)


# --- Which version of it --------------------------------------------------------------------------------


def sources_of(name: str) -> list[Path]:
    """The files that the agent of this name is written in: its module, or all of its package."""
    if ":" not in name:
        path = Path(name)
        return sorted(path.glob("[!.]*.toml")) if path.is_dir() else [path]
    module = sys.modules.get(name.partition(":")[0])
    file = Path(getattr(module, "__file__", None) or "")
    if not file.is_file():
        return []
    package = sys.modules.get(name.partition(":")[0].partition(".")[0])
    places = list(getattr(package, "__path__", ()))
    if places:
        return sorted(path for place in places for path in Path(place).rglob("*.py"))
    # A module that lies alone has its own neighbours beside it.
    loaded = [getattr(one, "__file__", None) for one in list(sys.modules.values())]
    neighbours = {Path(one) for one in loaded if isinstance(one, str) and Path(one).parent == file.parent}
    return sorted(neighbours | {file})
