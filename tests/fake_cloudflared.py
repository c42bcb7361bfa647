"""A program in place of `cloudflared`: says what the real one says, and forwards to this machine alone.

Its public name is `http://127.0.0.1:PORT`. As a module it is installed into a folder by `installed`.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

MODE, PID_FILE = "FAKE_CLOUDFLARED", "FAKE_CLOUDFLARED_PID"
REFUSED = 'ERR Error unmarshaling QuickTunnel response error="429 Too Many Requests" status_code=429'


def installed(folder: Path) -> Path:
    """A folder for `PATH` with the program in it."""
    folder.mkdir(exist_ok=True)
    program = folder / "cloudflared"
    program.write_text(
        f"#!{sys.executable} -S\n{Path(__file__).read_text(encoding='utf-8')}", encoding="utf-8"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


async def tunnel(port: int) -> None:
    """Forwards until it is ended."""
    server = await asyncio.start_server(lambda reader, writer: forward(reader, writer, port), "127.0.0.1", 0)
    name = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    log("INF Requesting new quick Tunnel on trycloudflare.com...")
    log("INF +" + "-" * 92 + "+")
    log("INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |")
    log(f"INF |  {name:<90}|")
    log("INF +" + "-" * 92 + "+")
    log("INF Registered tunnel connection connIndex=0 location=fra01 protocol=quic")
    await server.serve_forever()


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """One connection, both ways."""
    there = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


def log(line: str) -> None:
    """As the real one: to standard error, behind the time."""
    print(f"2026-11-28T12:00:00Z {line}", file=sys.stderr, flush=True)  # noqa: T201  # It is a program.


def main() -> None:
    """What the command line asks for."""
    assert sys.argv[1] == "tunnel"
    if path := os.environ.get(PID_FILE):
        Path(path).write_text(str(os.getpid()), encoding="ascii")
    if os.environ.get(MODE) == "refused":
        log(REFUSED)
        sys.exit(1)
    # The real one names its API, too, which is no tunnel.
    log('WRN retry: Post "https://api.trycloudflare.com/tunnel": EOF')
    asyncio.run(tunnel(int(sys.argv[sys.argv.index("--url") + 1].rpartition(":")[2])))


if __name__ == "__main__":
    main()
