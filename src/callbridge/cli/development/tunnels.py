"""A way in from the internet to a port of this machine: by cloudflared, by ngrok, or the user's own.

Nothing is ever downloaded: what is not installed is told how to install.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import re
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from callbridge.cli.development.trouble import DevTrouble

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

START_S: Final = 30.0
"""A tunnel has its name within some seconds, or asks for it in vain."""
END_S: Final = 3.0
LOOK_EVERY_S: Final = 0.1

CLOUDFLARED: Final = "cloudflared"
NGROK: Final = "ngrok"


class Tunnel(Protocol):
    """A tunnel that stands."""

    @property
    def name(self) -> str:
        """What it is made with."""

    @property
    def url(self) -> str:
        """Where it begins, without a slash at its end."""

    async def ended(self) -> str:
        """Returns once it has ended for good: why, in words. One that nobody sees end never does."""


@asynccontextmanager
async def open_tunnel(kind: str, port: int, ngrok_token: str = "") -> AsyncIterator[Tunnel]:
    """A tunnel to a port of this machine, for the length of the context.

    Args:
        kind: `cloudflared`, `ngrok`, or the address at which a tunnel of the user's own begins.
        port: where it ends.
        ngrok_token: of the user's account at ngrok.

    Raises:
        DevTrouble: it does not come to be.
    """
    if kind == CLOUDFLARED:
        async with _cloudflared(port) as tunnel:
            yield tunnel
    elif kind == NGROK:
        async with _ngrok(port, ngrok_token) as ngrok:
            yield ngrok
    elif kind.startswith(("https://", "http://")):
        yield OwnTunnel(kind.rstrip("/"))
    else:
        raise DevTrouble(
            f"--tunnel {kind}: there is no such kind", "Write cloudflared, ngrok or an https:// address."
        )


class OwnTunnel:
    """One that the user has opened, or an address that is public anyway."""

    name = "your own address"

    def __init__(self, url: str) -> None:
        self.url = url

    async def ended(self) -> str:
        """Nobody here sees it end."""
        await asyncio.Event().wait()
        return ""


# --- cloudflared ----------------------------------------------------------------------------------------

_IN_ITS_BOX: Final = re.compile(
    r"\|\s+(https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com|http://127\.0\.0\.1:\d+)/?\s+\|"
)
"""The name stands in a frame. Elsewhere it names its own API, which is no tunnel of ours."""

_INSTALL: Final = {
    "darwin": "brew install cloudflared",
    "win32": "winget install --id Cloudflare.cloudflared",
}
_DOWNLOADS: Final = (
    "https://developers.cloudflare.com/cloudflare-one/networks/connectors/cloudflare-tunnel/downloads/"
)


class CloudflaredTunnel:
    """A quick tunnel of cloudflared: no account, a new name each time, and nobody promises that it stands."""

    name = CLOUDFLARED

    def __init__(self, url: str, process: Process, output: Path) -> None:
        self.url, self._process, self._output = url, process, output

    async def ended(self) -> str:
        """When the program has ended."""
        status = await self._process.wait()
        return f"cloudflared has ended with status {status}: {_last_words(self._output)}"


@asynccontextmanager
async def _cloudflared(port: int) -> AsyncIterator[CloudflaredTunnel]:
    program = shutil.which(CLOUDFLARED)
    if program is None:
        how = _INSTALL.get(sys.platform, f"see {_DOWNLOADS}")
        raise DevTrouble(
            "cloudflared is not installed",
            f"Install it: {how}. Or use --tunnel ngrok, or --tunnel https://… for one of your own.",
        )
    with tempfile.TemporaryDirectory(prefix="callbridge-") as folder:
        output = Path(folder) / "cloudflared.log"
        process = await _started(program, port, output)
        try:
            yield CloudflaredTunnel(await _name_of(process, output), process, output)
        finally:
            await _end(process)


async def _started(program: str, port: int, output: Path) -> Process:
    with output.open("wb") as log:
        return await asyncio.create_subprocess_exec(
            program,
            "tunnel",
            # A file of the user's may lead requests elsewhere, or nowhere.
            *("--config", os.devnull, "--no-autoupdate", "--url", f"http://127.0.0.1:{port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for us: live calls still need their tunnel.
            start_new_session=True,
        )


async def _name_of(process: Process, output: Path) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                if found := _IN_ITS_BOX.search(_text_of(output)):
                    return found[1]
                await asyncio.sleep(LOOK_EVERY_S)
    raise DevTrouble(
        f"cloudflared opens no tunnel: {_last_words(output)}",
        "Cloudflare lets nobody open many in a short time: try again in some minutes, or use --tunnel ngrok.",
    )


def _last_words(output: Path) -> str:
    """The last line that it has written, without its time."""
    lines = [line for line in _text_of(output).splitlines() if line.strip()]
    said = [line.partition(" ")[2] if line[:4].isdigit() else line for line in lines]
    return said[-1].strip()[:300] if said else "it has said nothing"


def _text_of(output: Path) -> str:
    return output.read_text(encoding="utf-8", errors="replace")


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        # Not `timeout`: see `Run._give_back`.
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- ngrok ----------------------------------------------------------------------------------------------


class NgrokTunnel:
    """One of ngrok's, made in this process."""

    name = NGROK

    def __init__(self, url: str) -> None:
        self.url = url

    async def ended(self) -> str:
        """It mends itself, and says nothing of its end."""
        await asyncio.Event().wait()
        return ""


@asynccontextmanager
async def _ngrok(port: int, token: str) -> AsyncIterator[NgrokTunnel]:
    try:
        ngrok: Any = importlib.import_module("ngrok")
    except ImportError as error:
        raise DevTrouble("ngrok is not installed", "Install it: pip install 'callbridge[ngrok]'") from error
    if not token:
        raise DevTrouble(
            "NGROK_AUTHTOKEN is not set",
            "Copy yours from https://dashboard.ngrok.com/get-started/your-authtoken.",
        )
    try:
        async with asyncio.timeout(START_S):
            listener = ngrok.forward(port, authtoken=token)
            if inspect.isawaitable(listener):
                listener = await listener
    except (ValueError, RuntimeError, OSError) as error:  # Its errors are ValueErrors of several lines.
        why = " ".join(str(error).split())[:300] or f"no answer in {START_S:g} s"
        raise DevTrouble(f"ngrok opens no tunnel: {why}", "See https://ngrok.com/docs/errors.") from error
    try:
        yield NgrokTunnel(str(listener.url()).rstrip("/"))
    finally:
        with suppress(ValueError, RuntimeError, OSError):
            await asyncio.wait_for(listener.close(), END_S)
