"""The recordings of a process: who records a call, and what becomes of a recording when its call is over.

Nothing here works on audio in the event loop: one thread writes, another process makes Opus and stores.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import msgspec
import structlog

from callbridge.bridge.taps import Tap
from callbridge.call.ear.tape import End, Pause
from callbridge.call.recording_facts import RecordingStored
from callbridge.records.recording import finishing
from callbridge.records.recording.stores import StoreAwayError, is_name, opened
from callbridge.records.recording.writer import RecordingWriter
from callbridge.server.process.own_threads import AFTER_CALLS, in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from callbridge.bridge.relay import Relay
    from callbridge.call.facts import Fact
    from callbridge.records.recording.stores import Place
    from callbridge.records.recording.writer import Tape

T = TypeVar("T")

LOOK_EVERY_S: Final = 1.0
"""Whether the disk still answers."""

PASSED_OVER_S: Final = 0.2

SWEEP_EVERY_S: Final = 3600.0

RETRY_FIRST_S: Final = 5.0
RETRY_MAX_S: Final = 300.0
"""A store that is away is asked again after so long, at first and at last."""

FINISH_AT_END_S: Final = 20.0
"""What a process that stops waits for its last recordings. What is left then the next start finishes."""

_log = structlog.get_logger()


class Recordings:
    """Those of one process.

    Args:
        place: where recordings go.
        folder: where they are written.
        kept_days: how long they are kept where they go.
        flush: whether what was noted is on disk. Returns when it is, or cannot be.
        note: notes a fact of a call, once.
    """

    def __init__(
        self,
        place: Place,
        folder: Path,
        kept_days: int,
        flush: Callable[[], Awaitable[bool]],
        note: Callable[[str, Fact], Awaitable[bool]],
    ) -> None:
        self._place, self.folder, self._flush, self._note = place, folder, flush, note
        self._kept_s = kept_days * 86_400.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done = asyncio.Event()
        """There is something to be stored."""
        self._writer = RecordingWriter(folder, self._is_done)
        self._retry_s = RETRY_FIRST_S
        self._child: subprocess.Popen[bytes] | None = None

    # --- While calls run ---

    def recorder(self, call_sid: str, stream_sid: str, relay: Relay) -> CallRecorder | None:
        """Who records a stream; nobody where its names could lead elsewhere in the store."""
        name = f"{call_sid}-{stream_sid}"
        if not is_name(f"{name}.wav"):
            _log.warning("recording_refused", call_sid=call_sid, reason="its names are none of Twilio's")
            return None
        assert self._loop is not None, "used while it is opened"
        return CallRecorder(name, self._writer, Tap(relay), self._flush, self._loop)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """For as long as calls are served. What earlier processes left is finished first."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        self._done.set()
        try:
            yield
        finally:
            await asyncio.to_thread(self._writer.close)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_AT_END_S):
                    # What is passed over has the one in its hands who was cut short.
                    while self._has_left() and await self._finish() and self._has_left():  # noqa: ASYNC110 - a file tells nobody
                        await asyncio.sleep(PASSED_OVER_S)

    async def look_forever(self) -> NoReturn:
        """Looks whether the disk answers."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._writer.look()

    def _is_done(self, _path: Path) -> None:
        """In the writer's thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # The loop has ended: the next start finishes it.
            self._loop.call_soon_threadsafe(self._done.set)

    # --- Afterwards ---

    async def sweep_forever(self) -> NoReturn:
        """Deletes what was stored too long ago, at the start and once an hour."""
        while True:
            try:
                count = await _aside(partial(self.sweep, time.time()))
            except (StoreAwayError, ImportError) as error:
                _log.warning("recordings_not_swept", reason=str(error))
            else:
                if count:
                    _log.info("recordings_swept", count=count)
            await asyncio.sleep(SWEEP_EVERY_S)

    def sweep(self, now: float) -> int:
        """Deletes them; how many. Blocks.

        Raises:
            StoreAwayError: not all of them are.
            ImportError: the library of the store is not installed.
        """
        store = opened(self._place)
        return sum(store.delete(name) for name in store.stored_before(now - self._kept_s))

    def _has_left(self) -> bool:
        return self.folder.is_dir() and any(self.folder.glob("*.wav"))

    async def finish_forever(self) -> NoReturn:
        """Stores what is done, and what earlier processes left."""
        while True:
            await self._done.wait()
            self._done.clear()
            if not await _aside(self._has_left):
                continue
            if await self._finish():
                self._retry_s = RETRY_FIRST_S
            else:
                await asyncio.sleep(self._retry_s)
                self._retry_s = min(2 * self._retry_s, RETRY_MAX_S)
                self._done.set()

    async def _finish(self) -> bool:
        """Has all that lies there stored. Whether all of it is."""
        task = finishing.Task(str(self.folder), self._place)
        try:
            lines, trouble = await _aside(partial(self._run, msgspec.json.encode(task)))
        except asyncio.CancelledError:
            if self._child is not None:
                self._child.kill()
            raise
        is_all = not trouble
        if trouble:
            _log.warning("recordings_not_stored", reason=trouble)
        for finished in map(finishing.decode, lines):
            is_all &= await self._settle(finished)
        return is_all

    def _run(self, task: bytes) -> tuple[list[bytes], str]:
        """In a thread: runs the process that stores. Answers its lines, and what went wrong with itself."""
        command = (sys.executable, "-m", finishing.__name__)
        with subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            self._child = child
            said, errors = child.communicate(task)
        self._child = None
        # A line that is not whole is of one that died over it.
        lines = said[: said.rfind(b"\n") + 1].splitlines()
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return lines, "" if child.returncode == 0 else last or f"exit status {child.returncode}"

    async def _settle(self, finished: finishing.Finished) -> bool:
        """One file: once it is written down where it is, it is deleted here."""
        path = self.folder / finished.file
        call_sid = finished.file.partition("-")[0]
        if finished.trouble and finished.trouble != finishing.EMPTY:
            _log.warning("recording_not_stored", call_sid=call_sid, reason=finished.trouble)
            return False
        if not finished.trouble:
            kind = finished.name.rpartition(".")[2]
            stored = RecordingStored(finished.name, finished.duration_ms, finished.bytes, kind)
            await self._note(call_sid, stored)
            if not await self._flush():
                return False
            _log.info("recording_stored", call_sid=call_sid, recording=finished.name, bytes=finished.bytes)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return True


async def _aside(function: Callable[[], T]) -> T:
    return await in_thread(AFTER_CALLS, function, "recordings")


class CallRecorder:
    """Records one stream (`agents.recording.recorder.Recorder`).

    Args:
        name: of the recording.
        writer: of the process.
        tap: of the call.
        flush: returns when what was noted is on disk, or cannot be.
        loop: in which the call lives.
    """

    def __init__(
        self,
        name: str,
        writer: RecordingWriter,
        tap: Tap,
        flush: Callable[[], Awaitable[bool]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.name = name
        self._writer, self._tap, self._flush, self._loop = writer, tap, flush, loop
        self._tape: Tape | None = None

    async def kept(self) -> bool:
        """See `Recorder`."""
        return await self._flush()

    def begin(self, failed: Callable[[str], None]) -> None:
        """See `Recorder`."""

        def gave_up(why: str) -> None:
            _log.warning("recording_failed", recording=self.name, reason=why)
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._tap.close)
            failed(why)

        self._tape = self._writer.begin(self.name, gave_up)
        self._tap.open(self._tape.add)

    def pause(self) -> None:
        """See `Recorder`."""
        if self._tape is not None:
            self._tape.add(Pause(self._loop.time()))

    def resume(self) -> None:
        """See `Recorder`."""
        if self._tape is not None:
            self._tape.add(Pause(self._loop.time(), is_over=True))

    def end(self, *, is_by_phone: bool) -> None:
        """See `Recorder`."""
        if self._tape is not None:
            self._tap.close()
            self._tape.end(End(self._loop.time(), is_by_phone))
            self._tape = None

    def discard(self) -> None:
        """See `Recorder`."""
        if self._tape is not None:
            self._tap.close()
            self._tape.is_discarded = True
            self._tape = None
