"""Speech files, G.711 and the stereo recording."""

from __future__ import annotations

import math
import wave
from array import array
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.audio import (
    SpeechError,
    can_speak,
    decode_mulaw,
    load_speech,
    resample,
    speak,
    write_stereo,
)
from callbridge.wire.mulaw import encode as encode_mulaw

if TYPE_CHECKING:
    from pathlib import Path


def tone(hertz: float, rate: int, seconds: float = 0.5, level: int = 10_000) -> array[int]:
    count = int(rate * seconds)
    return array("h", (round(level * math.sin(2 * math.pi * hertz * i / rate)) for i in range(count)))


def write_wav(path: Path, raw: bytes, *, rate: int, width: int = 2, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(raw)
    return path


def loudness(samples: array[int]) -> float:
    middle = samples[200:-200]
    return math.sqrt(sum(level * level for level in middle) / len(middle))


@pytest.mark.parametrize(
    ("code", "level"),
    [
        # Values of ITU-T G.711 table 2, scaled to 16 bits.
        (0x00, -32124),
        (0x0F, -16764),
        (0x10, -15996),
        (0x7E, -8),
        (0x7F, 0),
        (0x80, 32124),
        (0x8F, 16764),
        (0xEF, 132),
        (0xFE, 8),
        (0xFF, 0),
    ],
)
def test_decodes_the_values_of_g711(code: int, level: int) -> None:
    assert decode_mulaw(bytes((code,))) == array("h", [level])


def test_every_code_survives_decoding_and_encoding_but_negative_zero() -> None:
    codes = bytes(range(256))
    assert encode_mulaw(decode_mulaw(codes)) == codes.replace(b"\x7f", b"\xff")


def test_encoding_is_monotonic_symmetric_and_near() -> None:
    samples = range(-32768, 32768)
    decoded = decode_mulaw(encode_mulaw(samples))
    assert list(decoded) == sorted(decoded)
    assert all(decoded[i] == -decoded[65536 - i] for i in range(1, 65536))
    # A step of the loudest segment is 1024 wide, and full scale is clipped by 644.
    assert max(abs(a - b) for a, b in zip(samples, decoded, strict=True)) == 644


def test_resampling_keeps_a_tone_and_its_length() -> None:
    resampled = resample(tone(1000, 44_100), 44_100)
    wanted = tone(1000, 8000)
    assert len(resampled) == len(wanted)
    assert max(abs(a - b) for a, b in zip(resampled[50:-50], wanted[50:-50], strict=True)) < 20


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_removes_what_would_fold_back(rate: int) -> None:
    hertz = 5000 if rate < 12_000 else 6000
    assert loudness(resample(tone(hertz, rate), rate)) < 0.01 * loudness(tone(hertz, rate))


def test_resampling_upwards_keeps_a_tone() -> None:
    assert loudness(resample(tone(500, 6000), 6000)) == pytest.approx(10_000 / math.sqrt(2), rel=0.01)


def test_reads_stereo_16_bit(tmp_path: Path) -> None:
    left, right = tone(500, 8000), tone(500, 8000, level=2000)
    frames = array("h", bytes(4 * len(left)))
    frames[0::2], frames[1::2] = left, right
    speech = load_speech(write_wav(tmp_path / "a.wav", frames.tobytes(), rate=8000, channels=2))
    assert loudness(decode_mulaw(speech)) == pytest.approx(6000 / math.sqrt(2), rel=0.02)


def test_reads_8_bit_which_is_unsigned(tmp_path: Path) -> None:
    speech = load_speech(write_wav(tmp_path / "a.WAV", bytes([128] * 800), rate=8000, width=1))
    assert speech == b"\xff" * 800


def test_reads_raw_mulaw_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.ulaw"
    path.write_bytes(bytes(range(256)))
    assert load_speech(path) == bytes(range(256))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.wav", None, "cannot be read"),
        ("a.mp3", b"ID3", "must be a .wav or"),
        ("a.wav", b"not a wave file at all", "not a plain PCM WAV"),
        ("a.ulaw", b"", "holds no audio"),
        ("a.ulaw", b"\xff" * (8000 * 600 + 1), "longer than ten minutes"),
    ],
)
def test_refuses_what_is_no_speech(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpeechError, match=reason):
        load_speech(path)


def test_refuses_24_bits_with_the_remedy(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(300), rate=8000, width=3)
    with pytest.raises(SpeechError, match="sox -b 16"):
        load_speech(path)


def test_writes_both_sides_and_fills_the_shorter(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    write_stereo(path, encode_mulaw([1000] * 100), encode_mulaw([-2000] * 60))
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = array("h", file.readframes(1000))
    assert len(frames) == 200
    assert set(frames[0::2]) == set(decode_mulaw(encode_mulaw([1000])))
    assert set(frames[1:120:2]) == set(decode_mulaw(encode_mulaw([-2000])))
    assert set(frames[121::2]) == {0}


def synthesiser(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program of our own in the place of espeak-ng."""
    program = folder / "espeak-ng"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_speaks_text_with_the_synthesiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text goes in by the standard input, so that it cannot be taken for an option."""
    wav = write_wav(tmp_path / "spoken.wav", tone(500, 22_050).tobytes(), rate=22_050)
    synthesiser(tmp_path, f'cat > {tmp_path}/text; cp {wav} "$4"', monkeypatch)
    assert can_speak()
    assert len(speak("--help me")) == 4000
    assert (tmp_path / "text").read_text(encoding="utf-8") == "--help me"


def test_says_when_text_cannot_be_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesiser(tmp_path, "exit 3", monkeypatch)
    with pytest.raises(SpeechError, match="could not speak 'Hello'"):
        speak("Hello")
    monkeypatch.setenv("PATH", "")
    assert not can_speak()
    with pytest.raises(SpeechError, match="espeak-ng is installed"):
        speak("Hello")
