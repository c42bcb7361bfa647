"""The clip: built in, or a file that is one; everything else is refused in words that help."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from callbridge.server.config.clip import LONGEST_MS, SHORTEST_MS, ClipError, load_clip
from callbridge.wire import audio

HALF_A_SECOND = 4000


def wav(
    path: Path, *, rate: int = 8000, channels: int = 1, width: int = 2, samples: int = HALF_A_SECOND
) -> Path:
    """A file with a step from silence to 1,000, little-endian as WAV is."""
    sample = (1000).to_bytes(2, "little", signed=True)[-width:]
    with wave.open(str(path), "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(b"\0" * width * channels * (samples // 2) + sample * channels * (samples // 2))
    return path


def test_the_built_in_clip_is_of_a_length_that_is_allowed() -> None:
    """Without a setting there is a clip all the same, and not of silence."""
    clip = load_clip(None)
    assert SHORTEST_MS <= audio.milliseconds(len(clip)) <= LONGEST_MS
    assert len(set(clip)) > 50


@pytest.mark.parametrize("name", ["moment.wav", "MOMENT.WAV"])
def test_a_wave_file_becomes_mulaw(tmp_path: Path, name: str) -> None:
    clip = load_clip(wav(tmp_path / name))
    assert clip == b"\xff" * (HALF_A_SECOND // 2) + b"\xce" * (HALF_A_SECOND // 2)


def test_any_other_file_is_mulaw_already(tmp_path: Path) -> None:
    path = tmp_path / "moment.ulaw"
    for length_ms in (SHORTEST_MS, LONGEST_MS):
        path.write_bytes(b"\x12\x34" * (length_ms * audio.BYTES_PER_MS // 2))
        assert load_clip(path) == path.read_bytes()


@pytest.mark.parametrize(
    "wrong", [{"rate": 16_000}, {"channels": 2}, {"width": 1}], ids=lambda wrong: next(iter(wrong))
)
def test_another_format_is_refused_with_a_way_to_make_one(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ClipError, match=r"8 kHz, mono, 16 bits.*sox"):
        load_clip(wav(tmp_path / "moment.wav", **wrong))


@pytest.mark.parametrize("length_ms", [0, SHORTEST_MS - 1, LONGEST_MS + 1])
def test_a_clip_too_short_or_too_long_is_refused(tmp_path: Path, length_ms: int) -> None:
    """Too short is a mistake; behind one too long the agent's words would wait."""
    path = tmp_path / "moment.ulaw"
    path.write_bytes(audio.silence(length_ms))
    with pytest.raises(ClipError, match=f"lasts {length_ms} ms. Use one of {SHORTEST_MS} to {LONGEST_MS} ms"):
        load_clip(path)


@pytest.mark.parametrize("name", ["none.ulaw", "none.wav"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipError, match=f"{name} cannot be read: .*Correct the path"):
        load_clip(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no wave at all, by any means", b"RIFF\x24\0\0\0WAVEfmt "])
def test_a_wave_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "moment.wav"
    path.write_bytes(content)
    for no_clip in (path, tmp_path):
        with pytest.raises(ClipError, match="cannot be read"):
            load_clip(no_clip)
