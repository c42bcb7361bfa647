"""Forgets a caller in a state file, also while services have it open: for the command line."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.sqlite_file import (
    START_WAIT_S,
    in_words,
    is_busy,
    open_file,
    overwrite_deleted,
    writing,
)
from callbridge.state.sqlite_rows import forget_caller
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

_PAUSE_S = 0.05


def forget_in_file(path: Path, caller_key: str) -> tuple[int, bool]:
    """Deletes what is remembered of a caller in the file at `path`, which is there. Blocks.

    Returns:
        How many records there were, and whether all of it is overwritten. If not, another process reads the
        file, and overwrites it within two minutes.

    Raises:
        StateError: the file cannot be used. The message says why and what to do.
    """
    give_up_at = time.monotonic() + START_WAIT_S
    while True:
        try:
            with contextlib.closing(open_file(path)) as connection:
                with writing(connection):
                    forgotten = forget_caller(connection, caller_key)
                return forgotten, _is_overwritten(connection, give_up_at)
        except SQLAlchemyError as error:
            if not is_busy(error) or time.monotonic() > give_up_at:
                raise StateError(in_words(error, path)) from error
        time.sleep(_PAUSE_S)


def _is_overwritten(connection: Connection, give_up_at: float) -> bool:
    while not (is_done := overwrite_deleted(connection)) and time.monotonic() < give_up_at:
        time.sleep(_PAUSE_S)
    return is_done
