"""Files that a command writes at its end: whether they can be is asked before it begins."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def to_be_written(path: Path | None) -> Path | None:
    """For `typer.Option(callback=…)`: a call of minutes must not be played for a file that nobody can make.

    Raises:
        typer.BadParameter: there is no such folder, or this user may not write there.
    """
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written; make its folder, or choose another path")
    return path
