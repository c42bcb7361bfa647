"""Who has a borrowed number: a lock on a file, which the system takes back however a process ends.

The id of a process would not do: after a crash, or a restart of the machine, it may be another one's.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from pathlib import Path


class Hold:
    """One lock, which this process may have.

    Args:
        path: of the file. It stands empty, and may be there without anybody's having it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this process has it."""
        return self._file is not None

    @property
    def is_anothers(self) -> bool:
        """Whether somebody has it who is not this."""
        if self.is_ours or not self._path.exists():
            return False
        if not self.take():
            return True
        self.let_go()
        return False

    def take(self) -> bool:
        """Has it from now on, until it is let go or the process ends. False: somebody else has it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._path.open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def let_go(self) -> None:
        """Has it no longer."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):  # Whoever looks at it at this moment keeps it there, on some systems.
                self._path.unlink(missing_ok=True)


def _lock(file: BinaryIO) -> None:
    """Raises an OSError where somebody has it. A program that we start does not inherit it."""
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
