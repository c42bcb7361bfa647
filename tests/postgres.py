"""A real PostgreSQL for tests: a server of its own in a temporary folder, on loopback.

`server()` is one per test process; its `database()` makes an empty one in it. Where PostgreSQL is not
installed, tests that ask are skipped and say so. Nothing of it is left afterwards.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "callbridge"
READY_S = 30.0
STOP_S = 20.0
_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""

_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=40")
"""A test's server may lose all of it in a power cut."""


def _programs() -> Path | None:
    """Where initdb and postgres are, the latest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    candidates = [*found, *([Path(on_path)] if on_path else [])]
    return candidates[-1].resolve().parent if candidates else None


@dataclass
class Server:
    """A server that can be stopped and started again, as one that is away for a while."""

    programs: Path
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def address(self) -> str:
        """Of the server, without a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}"

    def make(self) -> None:
        """Makes its files."""
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"
        )

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        options = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = [
            str(self.programs / "postgres"),
            *("-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"),
            *("-k", str(self.folder), *options),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._rights())  # type: ignore[call-overload]  # noqa: S603 - our own  # Its overloads know no `**`.
        ends_at = time.monotonic() + READY_S
        while not self._answers():
            assert time.monotonic() < ends_at, (self.folder / "log").read_text(encoding="utf-8")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it at once, with all its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(STOP_S)
        self._process = None

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """An empty database; answers its URL."""
        name = f"records_{next(self._names)}"
        self._sql(f"CREATE DATABASE {name}")
        try:
            yield f"{self.address}/{name}"
        finally:
            if self._process is not None:
                self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def run_sql(self, url: str, statement: str) -> None:
        """Runs a statement in this database of it."""
        self._run("psql", "-q", "-d", url, "-c", statement)

    def _sql(self, statement: str) -> None:
        self.run_sql(f"{self.address}/postgres", statement)

    def _answers(self) -> bool:
        command = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - our own

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, **self._rights())  # type: ignore[call-overload]  # noqa: S603 - our own  # As above.
        assert done.returncode == 0, done.stderr.decode()

    def _rights(self) -> dict[str, object]:
        is_root = os.geteuid() == 0
        rights = {"user": _UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if is_root else {}
        return {**rights, "cwd": self.folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}


def _place() -> str:
    """A folder for temporary files into which everybody may go, since root's server is somebody else."""
    places = [tempfile.gettempdir(), "/dev/shm", "/var/tmp"]  # noqa: S108 - looked at, and a new folder made there
    return next(place for place in places if Path(place).exists() and Path(place).stat().st_mode & 0o001)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server that runs."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="callbridge-postgres-", dir=_place()))
    if os.geteuid() == 0:
        shutil.chown(folder, _UNPRIVILEGED)
    made = Server(programs, folder, free_port())
    try:
        made.make()
        made.start()
        yield made
    finally:
        if made._process is not None:
            made.stop()
        shutil.rmtree(folder)
