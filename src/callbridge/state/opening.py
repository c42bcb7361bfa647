"""Chooses where the state is kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from callbridge.state.divided_state import DividedState
from callbridge.state.memory_state import MemoryState
from callbridge.state.neighbours import new_process
from callbridge.state.state import KEPT, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.state.state import Retention, State


def open_state(
    path: Path | None,
    clock: Callable[[], float] = time.time,
    retention: Retention = KEPT,
    *,
    process: str | None = None,
    shared_url: str | None = None,
    redis_url: str | None = None,
) -> State:
    """The state in the file at `path`, which is made if there is none; without a path, in memory only.

    With `shared_url` it is in PostgreSQL, and only the journal here. With `redis_url` what live calls have
    said and used tokens are in Redis, which need not answer yet.

    `process` is the name of this start of callbridge (`new_process`); by default one without its machine.

    Blocks until the file was checked: call it before the first call is taken.

    Raises:
        StateError: The file or the database cannot be used, or a library is missing. The message says why
            and what to do.
    """
    process = process or new_process()
    if redis_url is None:
        return _without_redis(path, clock, retention, process, shared_url)
    try:
        from callbridge.state.redis_calls import RedisCalls  # noqa: PLC0415 - its client is an extra
    except ImportError as error:
        raise StateError(
            "REDIS_URL is set, and the client of Redis is not installed. Run: pip install 'callbridge[redis]'"
        ) from error
    rest = _without_redis(path, clock, retention, process, shared_url)
    return DividedState(RedisCalls(redis_url, process, clock, retention), rest)


def _without_redis(
    path: Path | None,
    clock: Callable[[], float],
    retention: Retention,
    process: str,
    shared_url: str | None,
) -> State:
    if path is None and shared_url is None:
        return MemoryState(clock, retention, process=process)
    # SQLAlchemy takes a fifth of a second to import; who keeps no file does not wait for it.
    from callbridge.state.sqlite_state import SqliteState  # noqa: PLC0415 - see the line above

    if shared_url is None:
        assert path is not None
        return SqliteState(path, clock, retention, process=process)
    from callbridge.state.postgres_state import PostgresState  # noqa: PLC0415 - as above

    def open_local() -> MemoryState | SqliteState:
        if path is None:
            return MemoryState(clock, retention)
        return SqliteState(path, clock, retention, is_alone=True)

    return PostgresState(shared_url, open_local, clock, retention, process=process)


@contextlib.contextmanager
def trial_path(path: Path | None) -> Iterator[Path | None]:
    """Where `open_state` shows whether the state could be kept at `path`, without leaving a file there.

    A file that exists is its own proof. Otherwise one of another name in the same folder is, which is gone
    afterwards: a service that starts meanwhile makes its own.
    """
    folder = None if path is None else _trial_folder(path)
    if path is None or folder is None:
        yield path
        return
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder)


def _trial_folder(path: Path) -> Path | None:
    """A new folder beside the file; nothing where the file exists, or nothing can be made there."""
    try:
        if path.exists():
            return None
        return Path(tempfile.mkdtemp(prefix=".callbridge-check-", dir=path.absolute().parent))
    except OSError:
        return None  # Then nothing is left by trying the path itself, and what is raised names it.
