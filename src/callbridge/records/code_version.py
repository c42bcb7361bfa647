"""Which code a call is made of: a tape says what wrote it, and a replay whether that has changed since."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_ROOMS: Final = ("call", "wire")
"""What the machine is made of. Nothing outside of them decides in a call that is played again."""

_DIGITS: Final = 12


def callbridge_version() -> str:
    """The version of this program."""
    return version("callbridge")


@cache
def code_digest() -> str:
    """The same for the same code of the machine, whatever the version says: for who works on it."""
    digest, root = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(file for room in _ROOMS for file in (root / room).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_DIGITS]
