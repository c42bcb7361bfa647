"""A real nats-server for tests, with JetStream: a server of its own in a temporary folder, on loopback.

Where it is not installed, tests that ask are skipped and say so. Nothing of it is left afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 20.0
STOP_S = 20.0

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")

JETSTREAM = 'jetstream {{ store_dir: "{folder}/store" }}'


@dataclass
class NatsServer:
    """A server that can be stopped and started again, with what it has kept."""

    folder: Path
    port: int
    configuration: str = JETSTREAM
    """Beside where it listens; `{folder}` is its own."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a client is told, without a user."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        assert PROGRAM is not None
        listens = f"listen: 127.0.0.1:{self.port}\n"
        file = self.folder / "server.conf"
        file.write_text(listens + self.configuration.format(folder=self.folder), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(file)], stdout=log, stderr=log)  # noqa: S603 - our own
        ends_at = time.monotonic() + READY_S
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < ends_at, self.log
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops it, or kills it; its connections end."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(STOP_S)
        self._process = None

    def pause(self) -> None:
        """Lets it hang: it has its sockets and says nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Ends that."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """Whatever its state is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as peer:
            peer.settimeout(1)
            return peer.recv(4) == b"INFO"
        return False


@contextlib.contextmanager
def nats_server(configuration: str = JETSTREAM) -> Iterator[NatsServer]:
    """A server that runs."""
    if PROGRAM is None:
        pytest.skip("NATS is not installed: apt-get install nats-server")
    pytest.importorskip("nats")
    folder = Path(tempfile.mkdtemp(prefix="callbridge-nats-"))
    server = NatsServer(folder, free_port(), configuration)
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)
