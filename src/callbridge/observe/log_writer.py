"""Writes the lines of the log in a thread of its own: no call waits for whoever reads them.

A pipe that is full, a disk that hangs or a reader that is gone costs lines, which are counted, and nothing
else. What is queued is finished text: whatever a line was made of may change or go the moment after.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import weakref
from collections import deque
from typing import Final, TextIO

import structlog

LINES_MAX: Final = 2048
"""That wait: at twenty lines a call and 60 calls a minute, more than a minute of a reader that hangs. With
`log_line.LINE_BYTES_MAX` at most 16 MB."""

CHUNK_BYTES: Final = 65_536
"""Written at once: what a pipe holds."""

FLUSHED_WITHIN_S: Final = 2.0
"""How long an end waits for its last lines to be read."""

LOOK_AGAIN_S: Final = 1.0
"""A reader that takes nothing is asked again this often, by a descriptor that does not block."""

_log = structlog.get_logger()


class LineQueue:
    """What waits to be written. At the bound the oldest go: the last lines before an end say most.

    No thread, no lock: whoever uses it from two threads holds a lock.
    """

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self._lines: deque[str] = deque()
        self._lines_max = lines_max
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: str) -> None:
        """Adds `line`."""
        self._lines.append(line)
        if len(self._lines) > self._lines_max:
            self._lines.popleft()
            self._dropped += 1

    def take(self) -> tuple[int, list[str]]:
        """As many lines as are written at once, and how many were dropped before them."""
        dropped, self._dropped = self._dropped, 0
        taken, size = [], 0
        while self._lines and size < CHUNK_BYTES:
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        return dropped, taken


class LogWriter(logging.Handler):
    """Formats records where they are made, and writes them to a descriptor elsewhere.

    A stream without a descriptor is memory: it cannot block, and is written to at once.
    """

    def __init__(self, stream: TextIO) -> None:
        """A writer to the descriptor of `stream`, or to `stream` where it has none."""
        super().__init__()
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._wake = threading.Condition(threading.Lock())
        # Guarded by `_wake`:
        self._queue = LineQueue()
        self._is_writing = False
        self._is_over = False
        self._has_thread = False
        _writers.add(self)

    def begin_anew(self) -> None:
        """In a process that was forked off, by a tool for its worker: it has neither the thread nor, perhaps,
        anybody who would let go of the lock. What waited is the parent's to write.
        """
        self._wake = threading.Condition(threading.Lock())
        self._queue, self._is_writing = LineQueue(), False
        # Not started here: within a fork Python 3.13 waits for ever for a new thread.
        self._has_thread = False

    def emit(self, record: logging.LogRecord) -> None:
        """Queues one line; returns at once."""
        try:
            line = self.format(record) + "\n"
        except Exception as error:  # noqa: BLE001 - a value may raise anything when asked for its repr
            _log.error("log_line_failed", logger=record.name, error=type(error).__name__)
            return
        if self._descriptor is None:
            self._stream.write(line)
            return
        with self._wake:
            self._queue.put(line)
            self._wake.notify_all()
            if not self._has_thread:
                self._has_thread = True
                # A daemon: a write that hangs must not keep a process that has ended.
                threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def flush(self) -> None:
        """Returns when all is written, or after `FLUSHED_WITHIN_S`. `logging` does this at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._is_over or self._is_idle, FLUSHED_WITHIN_S)

    def close(self) -> None:
        """Lets the thread end when it has written what waits."""
        with self._wake:
            self._is_over = True
            self._wake.notify_all()
        super().close()

    @property
    def _is_idle(self) -> bool:
        return not (self._queue or self._is_writing)

    # --- The thread

    def _run(self) -> None:
        missing = 0
        while lines := self._next():
            dropped, text = lines
            missing += dropped
            if not self._write("".join(text).encode(self._encoding, "backslashreplace")):
                missing += len(text)
            elif missing:
                _log.warning("log_lines_dropped", count=missing)
                missing = 0

    def _next(self) -> tuple[int, list[str]] | None:
        """Waits for what is to be written; nothing when that was all."""
        with self._wake:
            self._is_writing = False
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._is_over or self._queue)
            self._is_writing = bool(self._queue)
            return self._queue.take() if self._queue else None

    def _write(self, text: bytes) -> bool:
        """Whether somebody took it: a reader may be gone, a disk full."""
        assert self._descriptor is not None
        try:
            while text:
                text = text[_written(self._descriptor, text) :]
        except OSError:
            return False
        return True


_writers: weakref.WeakSet[LogWriter] = weakref.WeakSet()


def _begin_anew() -> None:
    for writer in tuple(_writers):
        writer.begin_anew()


if hasattr(os, "register_at_fork"):  # Windows has no fork.
    os.register_at_fork(after_in_child=_begin_anew)


def _written(descriptor: int, text: bytes) -> int:
    try:
        return os.write(descriptor, text)
    except BlockingIOError:
        # Whoever shares the terminal or pipe with us has made it one that does not wait.
        select.select([], [descriptor], [], LOOK_AGAIN_S)
        return 0


def _descriptor(stream: TextIO) -> int | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return stream.fileno()
    return None


# --- Where there is nothing to write to ---------------------------------------------------------------


def with_standard_descriptors() -> None:
    """Opens what of descriptors 0, 1 and 2 is closed (`2>&-`), as nothing.

    Otherwise the next file or socket becomes "standard error", and what C writes there lands in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Always becomes the lowest that is free: this one.
