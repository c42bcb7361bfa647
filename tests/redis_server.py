"""A real Redis for tests: a server of its own in a temporary folder, on loopback.

`server()` runs one until the block ends; `database()` of it is one of its empty ones. Where Redis is not
installed, tests that ask are skipped and say so. Nothing of it is left afterwards.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 20.0
STOP_S = 20.0
DATABASES = 64
"""Numbered; a test has one to itself."""

_SETTINGS = (
    *("--bind", "127.0.0.1", "--databases", str(DATABASES), "--maxmemory-policy", "noeviction"),
    *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no"),
)
"""As the documentation asks for it: what was written a second ago is there after a restart."""


@dataclass
class Server:
    """A server that can be stopped and started again, as one that is away for a while."""

    program: str
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _database: int = -1

    @property
    def address(self) -> str:
        """Of its database 0."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        command = [self.program, "--port", str(self.port), "--dir", str(self.folder), *_SETTINGS]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own
        ends_at = time.monotonic() + READY_S
        while not self._answers():
            assert time.monotonic() < ends_at, (self.folder / "log").read_text(encoding="utf-8")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kills it, with all its connections; what it took the system has. Asked, it may refuse."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)
        self._process = None

    def pause(self) -> None:
        """It keeps its connections and answers nothing, as one behind a net that swallows all."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again, also what was asked meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def database(self) -> str:
        """The URL of an empty database of it."""
        self._database = (self._database + 1) % DATABASES
        assert self.asked(f"SELECT {self._database}\r\nFLUSHDB") == "+OK"
        return f"{self.address}/{self._database}"

    def asked(self, commands: str) -> str:
        """The last line of what it answers to some commands, as Redis writes it; empty where it is away."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as plug:
            plug.sendall(f"{commands}\r\nQUIT\r\n".encode())
            lines = plug.makefile("rb").read().decode().splitlines()
            return lines[-2] if len(lines) > 1 else ""
        return ""

    def _answers(self) -> bool:
        return self.asked("PING") == "+PONG"


def keys(url: str) -> list[bytes]:
    """What lies in a database."""
    with _client(url) as client:
        found: list[bytes] = client.keys()
    return found


def pass_time(url: str, passed_s: float) -> None:
    """Lets time pass for all keys of a database: they expire by so much sooner."""
    with _client(url) as client:
        for key in keys(url):
            left_ms = client.pttl(key) - round(1000 * passed_s)
            assert client.pexpire(key, left_ms), "a key that never expires"


def spoil(url: str, key: str, field: str) -> None:
    """Writes into a hash what nobody can read."""
    with _client(url) as client:
        client.hset(key, field, b"?")


def _client(url: str) -> contextlib.closing[Any]:
    from redis import Redis  # noqa: PLC0415 - an extra: who has it not is skipped by `server`

    return contextlib.closing(Redis.from_url(url, protocol=2))


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server that runs."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    pytest.importorskip("redis")
    folder = Path(tempfile.mkdtemp(prefix="callbridge-redis-"))
    made = Server(program, folder, free_port())
    try:
        made.start()
        yield made
    finally:
        if made.is_running:
            made.stop()
        shutil.rmtree(folder)
