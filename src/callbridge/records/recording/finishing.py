"""What becomes of recordings once their calls are over: Opus, and into the store. A process of its own.

`python -m callbridge.records.recording.finishing` reads its `Task` as JSON and answers one line for each
recording. It is nice: calls come first. A recording that cannot be stored now stays where it is; so does the
file of one that is stored, until who started this has written that down.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.records.recording.stores import NAME, Place, StoreAwayError, opened
from callbridge.records.recording.wav import RATE, repair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.recording.stores import Store

NICE: Final = 10
EMPTY: Final = "empty"
"""The trouble with a file that holds no audio: it is deleted."""
BLOCK_FRAMES: Final = 60 * RATE
"""A minute of both sides is encoded at a time: 2 MB."""


class Task(msgspec.Struct, frozen=True):
    """What is to be done."""

    folder: str
    """Where the files are of recordings that have ended, or whose process has died."""
    place: Place


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file."""

    file: str
    """Its name in the folder."""
    name: str = ""
    """Under which it is stored; empty when it is not."""
    duration_ms: int = 0
    bytes: int = 0
    trouble: str = ""
    """Why it is not stored."""


decode: Final = msgspec.json.Decoder(Finished).decode


def finish_all(task: Task) -> Iterator[Finished]:
    """Stores what lies there, the oldest first. What a live process writes is passed over."""
    store = opened(task.place)
    files = sorted(Path(task.folder).glob("*.wav"), key=_age)
    for path in files:
        if NAME.fullmatch(path.name) is None:
            continue
        with _locked(path) as is_ours:
            if is_ours:
                yield _finished(path, store)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # Somebody else has finished it.
        return 0.0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether nobody writes the file any more, and nobody else stores it. The dead hold no lock."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(fd)


def _finished(path: Path, store: Store) -> Finished:
    duration_ms = repair(path)
    if not duration_ms:
        return Finished(file=path.name, trouble=EMPTY)
    opus = path.with_suffix(".opus")
    try:
        made = opus if encode(path, opus) else path
        store.put(made, made.name)
        return Finished(file=path.name, name=made.name, duration_ms=duration_ms, bytes=made.stat().st_size)
    except StoreAwayError as error:
        return Finished(file=path.name, trouble=str(error))
    finally:
        opus.unlink(missing_ok=True)


def encode(wav: Path, opus: Path) -> bool:
    """Makes Opus of a WAV file: an eighth of its size. False where the library for that is not installed."""
    try:
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra; numpy comes with it
    except ImportError:
        return False
    with (
        soundfile.SoundFile(wav) as source,
        soundfile.SoundFile(
            opus, "w", samplerate=RATE, channels=source.channels, format="OGG", subtype="OPUS"
        ) as target,
    ):
        for block in source.blocks(BLOCK_FRAMES, dtype="float32"):
            target.write(block)
    opus.chmod(0o600)
    return True


def main() -> None:
    """Does what stands in the standard input."""
    os.nice(NICE)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    for finished in finish_all(task):
        sys.stdout.buffer.write(msgspec.json.encode(finished) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
