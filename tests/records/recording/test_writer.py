"""The thread that writes: files that survive their process, and disks that do not take them."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
import threading
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.call.ear.tape import End
from callbridge.records.recording.placing import HINDSIGHT_S
from callbridge.records.recording.wav import HEADER_BYTES, MULAW, header, repair
from callbridge.records.recording.writer import ENTRIES_MAX, PASS_S, TOO_SLOW, RecordingWriter
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_S = 10.0
NAME = "CA1-MZ1"


def frame(number: int) -> bytes:
    chunk = {"timestamp": str(100 + 20 * number), "payload": base64.b64encode(b"\x11" * FRAME_BYTES).decode()}
    return json.dumps({"event": "media", "media": chunk}).encode()


class Disk:
    """A writer whose files and failures are seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[Path] = []
        self.failed: list[str] = []
        self._news = threading.Condition()
        self.writer = RecordingWriter(folder, self._is_done, pass_s=0.01)
        self.writer.start()

    def _is_done(self, path: Path) -> None:
        with self._news:
            self.done.append(path)
            self._news.notify_all()

    def fails(self, why: str) -> None:
        with self._news:
            self.failed.append(why)
            self._news.notify_all()

    def until(self, holds: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(holds, WITHIN_S)


def test_a_call_becomes_a_file_that_every_program_reads(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    tape = disk.writer.begin(NAME, disk.fails)
    for number in range(100):
        tape.add(frame(number))
    tape.end(End(tape.began_at + 2.1))
    disk.until(lambda: disk.done)
    (path,) = disk.done
    raw = path.read_bytes()
    assert raw[:HEADER_BYTES] == header(len(raw) - HEADER_BYTES)
    with pytest.raises(wave.Error, match="unknown format: 7"):  # Of the stdlib, which knows the header.
        wave.open(str(path))  # noqa: SIM115 - nothing is opened
    assert raw[HEADER_BYTES + 1 :: 2].strip(b"\xff") == b""
    assert raw[HEADER_BYTES::2].strip(b"\xff") == b"\x11" * FRAME_BYTES * 100
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert disk.writer.close()
    assert MULAW == 7


def test_a_call_that_refuses_leaves_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    tape, other = disk.writer.begin(NAME, disk.fails), disk.writer.begin("CA2-MZ2", disk.fails)
    for number in range(100):
        tape.add(frame(number))
        other.add(frame(number))
    tape.is_discarded = True
    other.end(End(other.began_at + 2.1))
    disk.until(lambda: disk.done)
    assert disk.writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["CA2-MZ2.wav"]
    assert disk.failed == []


def test_a_disk_that_is_full_ends_the_recording_and_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [HEADER_BYTES + 2001]

    def pwrite(fd: int, data: bytes, at: int) -> int:
        left = room[0] - at
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data[:left], at)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    disk = Disk(tmp_path)
    tape = disk.writer.begin(NAME, disk.fails)
    for number in range(100):
        tape.add(frame(number))
    tape.end(End(tape.began_at + 2.1))
    disk.until(lambda: disk.done)
    assert disk.failed == ["No space left on device"]
    assert repair(tmp_path / f"{NAME}.wav") == 1000 // 8
    assert disk.writer.close()


def test_a_disk_that_does_not_answer_costs_one_recording_and_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, answers = threading.Event(), threading.Event()

    def pwrite(fd: int, data: bytes, at: int) -> int:
        hangs.set()
        assert answers.wait(WITHIN_S)
        return real(fd, data, at)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    disk = Disk(tmp_path)
    tape = disk.writer.begin(NAME, disk.fails)
    assert hangs.wait(WITHIN_S)
    disk.writer.look()
    assert disk.failed == []
    for number in range(3 * ENTRIES_MAX):
        tape.add(frame(number))
    assert len(tape.entries) == ENTRIES_MAX
    disk.writer.look()
    assert disk.failed == [TOO_SLOW]
    answers.set()
    assert disk.writer.close()
    assert disk.failed == [TOO_SLOW]


VICTIM = """
import os, sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from test_writer import frame
from callbridge.records.recording.writer import RecordingWriter
writer = RecordingWriter(Path({folder!r}), print)
added, write = 0, writer._pass
def pass_and_tell():
    before = added
    write()
    os.write(1, b"%d\\n" % before)
writer._pass = pass_and_tell
writer.start()
tape = writer.begin("CA1-MZ1", print)
began_at = time.monotonic()
for number in range(1_000):
    time.sleep(max(0.0, began_at + 0.02 * number - time.monotonic()))
    tape.add(frame(number))
    added = number + 1
"""
"""After each pass it says how many frames there were before."""


@pytest.mark.heavy  # Two seconds of a call.
def test_a_kill_loses_the_last_second_at_the_most(tmp_path: Path) -> None:
    assert PASS_S + HINDSIGHT_S <= 1.0
    program = VICTIM.format(folder=str(tmp_path), paths=[str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        passes: list[int] = []
        while len(passes) < 5:  # The header is written about once a second.
            passes.append(int(victim.stdout.readline()))
        victim.kill()
        passes += map(int, victim.stdout.read().split())
    path = tmp_path / f"{NAME}.wav"
    raw = path.read_bytes()
    told = int.from_bytes(raw[HEADER_BYTES - 4 : HEADER_BYTES], "little")
    assert 0 < told <= len(raw) - HEADER_BYTES, "the header was valid"
    assert repair(path) >= passes[-1] * 20 > 0
    assert path.read_bytes()[HEADER_BYTES::2].strip(b"\xff").strip(b"\x11") == b""
