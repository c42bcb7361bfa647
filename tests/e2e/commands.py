"""The `callbridge` command as a user runs it: in a process of its own, with nothing in the environment."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = (sys.executable, "-c", "from callbridge.cli import main; main()")
"""What the console script does, without having to be on the path."""


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment with `variables` in it."""
    names = {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH"}  # The last says whose source is tested.
    kept = {name: value for name, value in os.environ.items() if name in names}
    # Wide and plain: what is asserted of the output must not depend on the terminal of who runs the tests.
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"} | dict(variables or {})


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


async def run(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, timeout_s: float = 120
) -> Finished:
    """Runs the command in `folder` and waits for its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=folder,
        env=environment(variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())
