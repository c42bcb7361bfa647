"""What becomes of recordings in a process: stored once the store is there, and deleted here only then."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from bell import Bell
from callbridge.call.recording_facts import RecordingStored
from callbridge.records.recording.finishing import Finished
from callbridge.records.recording.stores import Place
from callbridge.server.process.keeping import recordings as room
from callbridge.server.process.keeping.recordings import Recordings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.call.facts import Fact

FILE = "CA1-MZ1.wav"
STORED = Finished(file=FILE, name="CA1-MZ1.opus", duration_ms=1000, bytes=4000)
AWAY = Finished(file=FILE, trouble="s3://calls: it is away")


class Rig:
    """Recordings whose other process, and whose journal, are the test."""

    def __init__(self, folder: Path) -> None:
        self.recordings = Recordings(
            Place(directory=str(folder)), folder / "unfinished", 30, self.flush, self.note
        )
        self.news = Bell()
        self.noted: list[tuple[str, Fact]] = []
        self.asked = 0
        self.is_on_disk = True
        self.answers: list[Finished] = []
        self.file = folder / "unfinished" / FILE
        self.file.parent.mkdir()
        self.file.touch()

    async def flush(self) -> bool:
        self.news.ring()
        return self.is_on_disk

    async def note(self, call_sid: str, fact: Fact) -> bool:
        self.noted.append((call_sid, fact))
        return True

    def run(self, _task: bytes) -> tuple[list[bytes], str]:
        self.asked += 1
        if not self.answers:
            return [], "ImportError: boto3 is missing"
        return [msgspec.json.encode(self.answers.pop(0))], ""

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """While the service runs."""
        async with asyncio.timeout(10), self.recordings.opened(), asyncio.TaskGroup() as tasks:
            organ = tasks.create_task(self.recordings.finish_forever())
            yield
            organ.cancel()

    async def until_gone(self) -> None:
        while self.file.exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    found = Rig(tmp_path)
    monkeypatch.setattr(room, "RETRY_FIRST_S", 0.01)
    found.recordings._retry_s = 0.01
    monkeypatch.setattr(found.recordings, "_run", found.run)
    return found


async def test_a_store_that_is_away_is_asked_again_until_it_has_it(rig: Rig) -> None:
    rig.answers = [AWAY, AWAY, STORED]
    async with rig.on():
        await rig.until_gone()
    assert rig.asked == 3
    assert rig.noted == [("CA1", RecordingStored("CA1-MZ1.opus", 1000, 4000, "opus"))]


async def test_it_is_not_deleted_here_before_it_is_written_down_where_it_is(rig: Rig) -> None:
    rig.answers, rig.is_on_disk = [STORED, STORED], False
    async with rig.on():
        await rig.news.until(lambda: bool(rig.noted))
        assert rig.file.exists()
        rig.is_on_disk = True
        await rig.until_gone()
    assert rig.asked == 2


async def test_a_process_that_cannot_store_costs_no_recording(rig: Rig) -> None:
    async with rig.on():
        while rig.asked < 2:  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.01)
    assert (rig.file.exists(), rig.noted) == (True, [])


def test_what_is_kept_too_long_is_deleted(rig: Rig, tmp_path: Path) -> None:
    for name, at in (("CA1-MZ1.opus", 0), ("CA2-MZ2.opus", 40 * 86_400)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert rig.recordings.sweep(now=45 * 86_400.0) == 1
    assert [path.name for path in tmp_path.glob("*.opus")] == ["CA2-MZ2.opus"]
