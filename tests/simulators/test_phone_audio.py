"""Speech files, G.711 and the stereo recording."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import pytest

from callbridge.simulators import audio as au
from callbridge.wire.audio import encode as encode_mulaw


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


def test_codes_have_the_levels_of_g711_and_survive_decoding_and_encoding() -> None:
    """Values of ITU-T G.711 table 2, scaled to 16 bits. Of the two zeros, the positive is written."""
    levels = array("h", [-32124, -16764, -15996, -8, 0, 32124, 16764, 132, 8, 0])
    assert au.decode_mulaw(b"\x00\x0f\x10\x7e\x7f\x80\x8f\xef\xfe\xff") == levels
    codes = bytes(range(256))
    assert encode_mulaw(au.decode_mulaw(codes)) == codes.replace(b"\x7f", b"\xff")


def test_resampling_keeps_a_tone_and_its_length() -> None:
    resampled = au.resample(tone(1000, 44_100), 44_100)
    wanted = tone(1000, 8000)
    assert len(resampled) == len(wanted)
    assert max(abs(a - b) for a, b in zip(resampled[50:-50], wanted[50:-50], strict=True)) < 20


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_removes_what_would_fold_back(rate: int) -> None:
    hertz = 5000 if rate < 12_000 else 6000
    assert loudness(au.resample(tone(hertz, rate), rate)) < 0.01 * loudness(tone(hertz, rate))


def test_reads_stereo_16_bit(tmp_path: Path) -> None:
    left, right = tone(500, 8000), tone(500, 8000, level=2000)
    frames = array("h", bytes(4 * len(left)))
    frames[0::2], frames[1::2] = left, right
    speech = au.load_speech(write_wav(tmp_path / "a.wav", frames.tobytes(), rate=8000, channels=2))
    assert loudness(au.decode_mulaw(speech)) == pytest.approx(6000 / math.sqrt(2), rel=0.02)


def test_reads_8_bit_which_is_unsigned(tmp_path: Path) -> None:
    speech = au.load_speech(write_wav(tmp_path / "a.WAV", bytes([128] * 800), rate=8000, width=1))
    assert speech == b"\xff" * 800


def test_reads_raw_mulaw_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.ulaw"
    path.write_bytes(bytes(range(256)))
    assert au.load_speech(path) == bytes(range(256))


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
    with pytest.raises(au.SpeechError, match=reason):
        au.load_speech(path)


def test_refuses_24_bits_with_the_remedy(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(300), rate=8000, width=3)
    with pytest.raises(au.SpeechError, match="sox -b 16"):
        au.load_speech(path)


def test_writes_both_sides_and_fills_the_shorter(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    au.write_stereo(path, encode_mulaw([1000] * 100), encode_mulaw([-2000] * 60))
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = array("h", file.readframes(1000))
    assert len(frames) == 200
    assert set(frames[0::2]) == set(au.decode_mulaw(encode_mulaw([1000])))
    assert set(frames[1:120:2]) == set(au.decode_mulaw(encode_mulaw([-2000])))
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
    assert au.can_speak()
    assert len(au.speak("--help me")) == 4000
    assert (tmp_path / "text").read_text(encoding="utf-8") == "--help me"


def test_says_when_text_cannot_be_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesiser(tmp_path, "exit 3", monkeypatch)
    with pytest.raises(au.SpeechError, match="could not speak 'Hello'"):
        au.speak("Hello")
    monkeypatch.setenv("PATH", "")
    assert not au.can_speak()
    with pytest.raises(au.SpeechError, match="espeak-ng is installed"):
        au.speak("Hello")
