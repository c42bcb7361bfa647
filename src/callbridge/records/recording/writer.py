"""The one thread that writes the recordings of all calls of a process, while they run.

A call puts what happens on its tape, which costs it an append; this thread looks at the tapes twice a
second, places what is on them and writes what is certain. A disk that is slow or full ends recordings and
nothing else: a tape is bounded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from callbridge.call.ear.tape import End
from callbridge.records.recording.placing import Placing
from callbridge.records.recording.wav import CHANNELS, HEADER_BYTES, header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.call.ear.tape import Entry

PASS_S: Final = 0.5
"""What is certain is written so often: with `HINDSIGHT_S`, of what is not, a second is lost at most."""

NICE: Final = 10
"""Of the thread, where the system has that for threads: who is on the line goes first."""

SYNC_EVERY_S: Final = 1.0
SYNC_FOR_S: Final = 0.25
"""Of one pass: with a slow disk files are synced less often, and written all the same."""

ENTRIES_MAX: Final = 1500
"""25 s of a call, 0.6 MB: a disk that keeps it waiting for longer is too slow."""

TOO_SLOW: Final = "the disk is too slow"

_log = structlog.get_logger()


class Tape:
    """What happens in one call that is recorded. Any thread may add.

    Args:
        path: of the file that it becomes.
        began_at: when the recording begins, in monotonic seconds.
        failed: is told why it cannot go on, in the writer's thread or another.
    """

    def __init__(self, path: Path, began_at: float, failed: Callable[[str], None]) -> None:
        self.path, self.began_at, self._failed = path, began_at, failed
        self.entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self.add: Callable[[Entry], None] = self.entries.append
        """One more; in C."""
        self.is_discarded, self.has_failed, self.is_ended = False, False, False

    def end(self, end: End) -> None:
        """Nothing more is added."""
        self.add(end)
        self.is_ended = True

    def fail(self, why: str) -> None:
        """It goes on no more. Told once."""
        if not self.has_failed:
            self.has_failed = True
            self._failed(why)

    @property
    def is_overrun(self) -> bool:
        """Whether something was lost, or is about to be."""
        return len(self.entries) >= ENTRIES_MAX

    def taken(self) -> list[Entry]:
        """All that is on it, which it has no longer."""
        entries = self.entries
        return [entries.popleft() for _ in range(len(entries))]


class RecordingWriter:
    """Writes recordings into `folder`.

    Args:
        folder: where the files are, each locked as long as it is written.
        done: is told of each file that is whole, in the writer's thread.
        now: monotonic seconds.
        pass_s: how often it writes.
    """

    def __init__(
        self,
        folder: Path,
        done: Callable[[Path], None],
        now: Callable[[], float] = time.monotonic,
        pass_s: float = PASS_S,
    ) -> None:
        self._folder, self._done, self._now, self._pass_s = folder, done, now, pass_s
        self._files: list[_File] = []
        """The thread's own."""
        self._new: deque[Tape] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def begin(self, name: str, failed: Callable[[str], None]) -> Tape:
        """A recording begins; its file is opened in the thread."""
        tape = Tape(self._folder / f"{name}.wav", self._now(), failed)
        self._new.append(tape)
        self._wake.set()
        return tape

    def look(self) -> None:
        """Ends recordings whose disk does not answer. Called from another thread, now and then."""
        for file in tuple(self._files):
            if file.tape.is_overrun:
                file.tape.fail(TOO_SLOW)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Writes what is left, of calls as well that have not ended. Whether that was possible in time."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # --- In the thread ---

    def _run(self) -> None:
        if sys.platform == "linux":  # Elsewhere this would be the whole process.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while not self._closing.is_set():
            self._wake.wait()
            self._pass()
            if not self._files and not self._new:
                self._wake.clear()
                if self._new:  # Added meanwhile.
                    self._wake.set()
            elif self._closing.wait(self._pass_s):
                break
        for file in (*self._files, *(_File(tape) for tape in self._new)):
            file.tape.end(End(self._now()))
        self._pass()

    def _pass(self) -> None:
        while self._new:
            self._files.append(_File(self._new.popleft()))
        for file in tuple(self._files):
            if self._is_done_with(file):
                self._files.remove(file)
                with contextlib.suppress(OSError):
                    file.close()
                if file.is_worth_keeping:
                    self._done(file.tape.path)
        self._sync()

    def _is_done_with(self, file: _File) -> bool:
        try:
            return file.write(self._now())
        except OSError as error:
            file.tape.fail(error.strerror or "the disk cannot be written")
        except Exception:  # noqa: BLE001  # Our fault costs one recording, not those of all calls.
            _log.exception("recording_broken", recording=file.tape.path.stem)
            file.tape.fail("a fault of the recorder")
        return True

    def _sync(self) -> None:
        began_at = self._now()
        for file in sorted(self._files, key=lambda one: one.synced_at):
            now = self._now()
            if now - file.synced_at < SYNC_EVERY_S or now - began_at > SYNC_FOR_S:
                return
            with contextlib.suppress(OSError):  # The next write tells.
                file.sync(now)


class _File:
    """The file of one tape, as the thread has it."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.synced_at = tape.began_at
        self._placing = Placing(tape.began_at)
        self._fd: int | None = None
        self._size, self._said = 0, 0

    def write(self, now: float) -> bool:
        """Writes what is certain. Answers whether it was the last time.

        Raises:
            OSError: the disk does not take it.
        """
        tape = self.tape
        if tape.is_overrun:
            tape.fail(TOO_SLOW)
        if tape.is_discarded or tape.has_failed:
            return True
        if self._fd is None:
            self._open()
        is_last = tape.is_ended
        entries = tape.taken()
        self._placing.take(entries, now)
        self._append(self._placing.certain(now))
        return is_last

    @property
    def is_worth_keeping(self) -> bool:
        """Whether there is something to be stored."""
        return self._size > 0 and not self.tape.is_discarded

    def sync(self, now: float) -> None:
        """What was written survives the machine; the header says that it is there."""
        assert self._fd is not None
        self.synced_at = now
        if self._said != self._size:
            os.fdatasync(self._fd)
            os.pwrite(self._fd, header(self._size), 0)
            self._said = self._size

    def close(self) -> None:
        """The file is whole, or gone."""
        if self._fd is None:
            return
        self._size -= self._size % CHANNELS  # Of a disk that took half of a sample.
        try:
            if self.is_worth_keeping:
                os.pwrite(self._fd, header(self._size), 0)
                os.fsync(self._fd)
            else:
                self.tape.path.unlink(missing_ok=True)
        finally:
            os.close(self._fd)

    def _open(self) -> None:
        path = self.tape.path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(self._fd, header(0), 0)

    def _append(self, audio: bytes) -> None:
        assert self._fd is not None
        view = memoryview(audio)
        while view:
            count = os.pwrite(self._fd, view, HEADER_BYTES + self._size)
            self._size += count
            view = view[count:]
