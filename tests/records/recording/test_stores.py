"""Where recordings go: a directory, and a store that speaks S3 over a real socket; Opus on the way."""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from callbridge.records.recording import finishing, links
from callbridge.records.recording.finishing import Finished, Task, finish_all
from callbridge.records.recording.stores import DirectoryStore, Place, S3Store, StoreAwayError, opened
from callbridge.records.recording.wav import header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "CA1-MZ1"


def wav(folder: Path, name: str = NAME, ms: int = 2000) -> Path:
    """A recording whose process has died: its header says that there is nothing."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.wav"
    path.write_bytes(header(0) + bytes(range(100, 200)) * (ms * 16 // 100))
    return path


@pytest.fixture(scope="module")
def s3() -> Iterator[Place]:
    """A bucket of moto's server."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    place = Place(
        bucket="calls", prefix="of/today", endpoint=f"http://{host}:{port}", key_id="id", key_secret="secret"
    )
    store = S3Store(place)
    store._client.create_bucket(Bucket="calls")
    yield place
    server.stop()


def test_what_is_left_is_stored_as_wav_where_there_is_no_opus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "encode", lambda _wav, _opus: False)
    folder, place = tmp_path / "unfinished", Place(directory=str(tmp_path / "stored"))
    wav(folder)
    (empty := folder / "CA2-MZ2.wav").write_bytes(header(0))
    (folder / "notes.wav").write_text("somebody's")
    done = {finished.file: finished for finished in finish_all(Task(str(folder), place))}
    size = (tmp_path / "stored" / f"{NAME}.wav").stat().st_size
    assert done == {
        f"{NAME}.wav": Finished(file=f"{NAME}.wav", name=f"{NAME}.wav", duration_ms=2000, bytes=size),
        empty.name: Finished(file=empty.name, trouble=finishing.EMPTY),
    }
    assert opened(place).get(f"{NAME}.wav")[:4] == b"RIFF"


@pytest.mark.heavy  # soundfile brings numpy along.
def test_opus_has_the_same_length_and_both_sides(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    folder, place = tmp_path / "unfinished", Place(directory=str(tmp_path / "stored"))
    path = wav(folder)
    (done,) = finish_all(Task(str(folder), place))
    assert (done.name, done.duration_ms) == (f"{NAME}.opus", 2000)
    found = soundfile.info(tmp_path / "stored" / done.name)
    assert (found.channels, found.subtype, found.samplerate) == (2, "OPUS", 8000)
    assert found.frames == pytest.approx(16_000, abs=8)
    assert done.bytes < path.stat().st_size
    assert path.exists(), "until it is written down where it is"
    assert list(folder.iterdir()) == [path]


def test_a_recording_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = wav(tmp_path / "unfinished")
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(finish_all(Task(str(path.parent), Place(directory=str(tmp_path))))) == []


@pytest.mark.heavy  # moto takes seconds to start.
def test_s3_keeps_what_it_is_given_under_links_that_expire(tmp_path: Path, s3: Place) -> None:
    store = S3Store(s3)
    path, name = wav(tmp_path), f"{NAME}.wav"
    store.put(path, name)
    assert list(store.stored_before(time.time() + 60)) == [name]
    assert list(store.stored_before(time.time() - 60)) == []
    with urllib.request.urlopen(store.signed_url(name, 60)) as answer:  # noqa: S310 - moto's own
        assert answer.read() == path.read_bytes() == store.get(name)
    assert (store.delete(name), store.delete(name)) == (True, False)
    with pytest.raises(FileNotFoundError):
        store.get(name)


@pytest.mark.heavy  # boto3 takes a while to import.
def test_a_store_that_is_away_keeps_nothing_and_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    away = Place(bucket="calls", endpoint="http://127.0.0.1:9", key_id="id", key_secret="secret")
    path = wav(tmp_path / "unfinished")
    (done,) = finish_all(Task(str(path.parent), away))
    assert "127.0.0.1:9" in done.trouble
    (tmp_path / "file").touch()
    (done,) = finish_all(Task(str(path.parent), Place(directory=str(tmp_path / "file"))))
    assert done.trouble.endswith(("File exists", "Not a directory"))
    assert path.exists()
    with pytest.raises(StoreAwayError):
        opened(away).delete(f"{NAME}.wav")


@pytest.mark.parametrize(
    "name", ["../state.db", "CA1-MZ1.wav/..", "CA1.wav", "CA1-MZ1.mp3", "/etc/passwd", ""]
)
def test_no_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        DirectoryStore(tmp_path).delete(name)


def test_a_link_is_good_for_one_recording_until_it_expires() -> None:
    key = links.key_of("secret")
    url = links.signed("http://127.0.0.1:8081", key, f"{NAME}.wav", 1000)
    assert url.startswith("http://127.0.0.1:8081/recordings/CA1-MZ1.wav?expires=1000&signature=")
    signature = url.rpartition("=")[2]
    assert links.is_good(key, 999.0, f"{NAME}.wav", "1000", signature)
    assert not links.is_good(key, 1000.0, f"{NAME}.wav", "1000", signature)
    assert not links.is_good(key, 999.0, "CA2-MZ2.wav", "1000", signature)
    assert not links.is_good(key, 999.0, f"{NAME}.wav", "1001", signature)
    assert not links.is_good(links.key_of("other"), 999.0, f"{NAME}.wav", "1000", signature)
    assert not links.is_good(key, 999.0, f"{NAME}.wav", "x", "ü")


def test_no_secret_of_a_store_is_shown() -> None:
    place = Place(bucket="calls", prefix="eu", key_id="id-1", key_secret="secret-1")
    assert repr(Task("folder", place)).count("secret-1") == 0
    assert repr(place) == "<Place s3://calls/eu>"
