"""`callbridge init`: a small project of one's own: an agent, its tests, and what assistants need to know.

It asks nothing, because all of it is known: the name is that of the folder. What is there is left alone.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES: Final = (
    "agent.py",
    "tests/test_agent.py",
    "tests/noisy_street.call.toml",
    ".env",
    ".gitignore",
    "pyproject.toml",
    ".github/workflows/test.yml",
    "AGENTS.md",
    "README.md",
)
"""What a new project has. Each is made of the template of its name in `new_project/`."""

OWNER_ONLY: Final = 0o600
"""Keys come into `.env`: nobody else on this machine reads them."""

_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9]+")


class InitError(Exception):
    """No project can be made there; the message says why, and what to do."""


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="NAME", help="The folder of the project; its name is the agent's, too.")
    ],
) -> None:
    """Make a small project: an agent with three tools, its tests, and all that they need.

    It runs at once, without a key and without an account. Exit status 1 when something of it is there.
    """
    try:
        made = make_project(folder)
    except (InitError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for path in made:
        typer.echo(f"  {path}")
    change = "" if folder.absolute() == Path.cwd() else f"  cd {folder}\n"
    typer.echo(f"Made. What is next:\n{change}  callbridge test    # its tests, in seconds, without a key")
    typer.echo("  callbridge dev     # talk to it in the browser")


def make_project(folder: Path) -> list[Path]:
    """Writes the files of a new project, and answers their paths.

    Raises:
        InitError: a file of this name is there already, or the folder's name has no letter.
        OSError: the folder cannot be written.
    """
    words = names_from(folder.absolute().name)
    paths = [folder / name for name in FILES]
    if there := [path for path in paths if path.exists()]:
        raise InitError(f"{there[0]} is there already, and is left as it is; name another folder")
    for name, path in zip(FILES, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _filled(name, words), OWNER_ONLY if name == ".env" else 0o666)
    return paths


def names_from(folder_name: str) -> Mapping[str, str]:
    """What the templates call the project, from the name of its folder.

    Raises:
        InitError: there is no letter or digit in it.
    """
    package = _NOT_IN_A_NAME.sub("-", folder_name.lower()).strip("-")
    if not package:
        raise InitError(f"{folder_name!r} cannot be the name of a project: it has no letter from a to z")
    title = package.replace("-", " ").title()
    return {"package": package, "title": title, "version": version("callbridge")}


def _filled(name: str, words: Mapping[str, str]) -> str:
    # The resource's name is flat and ends in .template: no tool takes it for a module, or for settings.
    resource = files("callbridge.cli") / "new_project" / f"{name.rpartition('/')[2].lstrip('.')}.template"
    return Template(resource.read_text(encoding="utf-8")).substitute(words)


def _write(path: Path, text: str, mode: int) -> None:
    """Makes a file that was not there. Its mode stands from its first moment on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
