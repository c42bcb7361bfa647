"""`callbridge dev` as a user runs it, in a folder with an agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fake_cloudflared
from e2e.commands import COMMAND, environment

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

LONGEST_S = 90.0
"""No test waits so long unless something hangs."""

AGENT = "from callbridge import Agent\n\nagent = Agent(greeting='Hello!')\n"


@dataclass
class Dev:
    """A run of the command."""

    process: Process
    said: list[str]

    async def until(self, words: str) -> str:
        """Returns the line on which it says so."""
        assert self.process.stdout is not None
        while words not in (line := (await self.process.stdout.readline()).decode()):
            assert line, f"{words!r} was never said: {self.said}"
            self.said.append(line)
        self.said.append(line)

        return line

    async def ends(self, number: int = signal.SIGINT) -> int:
        """What it ends with when it gets a signal."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """What it ends with."""
        assert self.process.stdout is not None
        self.said += (await self.process.stdout.read()).decode().splitlines(keepends=True)
        return await self.process.wait()

    @property
    def output(self) -> str:
        """All that was said."""
        return "".join(self.said)


@contextlib.asynccontextmanager
async def dev(folder: Path, *arguments: str, agent: str = AGENT, **variables: str) -> AsyncIterator[Dev]:
    """Runs it in a folder of its own, with an agent."""
    (folder / "bakery.py").write_text(agent)
    path = f"{fake_cloudflared.installed(folder / 'bin')}:{environment()['PATH']}"
    given = environment(
        {
            "PATH": path,
            "XDG_DATA_HOME": str(folder / "data"),
            fake_cloudflared.PID_FILE: str(folder / "pid"),
            **variables,
        }
    )
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("dev", "bakery:agent", *arguments),
        cwd=folder,
        env=given,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            yield Dev(process, [])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
        end_tunnel(folder)


def end_tunnel(folder: Path) -> None:
    """That of a command that was killed outlives it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        pid = (folder / "pid").read_text()
        if str(folder) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(int(pid), signal.SIGKILL)
