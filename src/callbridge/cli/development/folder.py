"""Where `callbridge dev` keeps its calls: `.callbridge/` in the project, for nobody but its owner.

Words, sounds and tapes of the developer's own calls, for some days. No version control sees it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = ".callbridge"
KEPT_DAYS: Final = 7

_IGNORE_ALL: Final = "# Calls that were made while developing. Made by callbridge dev.\n*\n"


def calls_folder(project: Path) -> Path | None:
    """The folder in this project, made if it is not there; nothing where it cannot be made."""
    folder = project / NAME
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        with suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as file:
            file.write(_IGNORE_ALL)
    except OSError:
        return None
    return folder
