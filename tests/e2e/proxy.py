"""Programs of others that stand around the service: a stock nginx before it, as the README says to set it up.

Where one is not installed, what asks for it is skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LISTENS_S: Final = 20.0

CONFIGURATION: Final = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream callbridge {{ server 127.0.0.1:{service_port}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://callbridge;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, port: int, service_port: int) -> AsyncIterator[None]:
    """Passes on what comes to `port`, for the length of the context. `folder` gets its files."""
    configuration = _configured(folder, port, service_port)
    command = ["nginx", "-p", str(folder), "-c", str(configuration), "-e", str(folder / "errors")]
    async with listening(command, port, folder):
        yield


def program(name: str) -> str:
    """Where it is installed; else the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.asynccontextmanager
async def listening(command: Sequence[str], port: int, folder: Path) -> AsyncIterator[None]:
    """A program that listens at `port`, for the length of the context. `folder` gets its output."""
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program(command[0]), *command[1:], stdout=output, stderr=output
        )
    try:
        await _until_it_listens(process, port, folder)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _configured(folder: Path, port: int, service_port: int) -> Path:
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.format(user=user, folder=folder, port=port, service_port=service_port)
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    return configuration


async def _until_it_listens(process: asyncio.subprocess.Process, port: int, folder: Path) -> None:
    async with asyncio.timeout(LISTENS_S):
        while True:
            assert process.returncode is None, f"see {folder}"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)  # Nothing tells that a port is listened on.
