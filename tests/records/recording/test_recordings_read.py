"""A stored recording is µ-law of both sides again, whatever it was stored as."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from callbridge.records.recording.finishing import encode as make_opus
from callbridge.records.recording.reading import stereo
from callbridge.records.recording.wav import header
from callbridge.wire.audio import SILENCE, encode

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 8000


def both(seconds: int = 2) -> bytes:
    """A tone of the caller's in the first second, and one of the agent's in the last."""
    tone = encode(int(9000 * math.sin(2 * math.pi * 400 * at / SECOND)) for at in range(SECOND))
    quiet = bytes((SILENCE,)) * SECOND * (seconds - 1)
    made = bytearray(2 * seconds * SECOND)
    made[0::2], made[1::2] = tone + quiet, quiet + tone
    return bytes(made)


def loud(side: bytes) -> int:
    """How many samples are no silence, nor next to it."""
    return sum(code & 0x7F < 0x60 for code in side)


def test_a_wav_comes_back_as_it_was() -> None:
    assert stereo("CA1-MZ1.wav", header(len(both())) + both()) == both()


def test_opus_comes_back_in_its_place_and_as_long(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="Opus is made by soundfile")
    wav, opus = tmp_path / "one.wav", tmp_path / "one.opus"
    wav.write_bytes(header(len(both())) + both())
    assert make_opus(wav, opus)
    read = stereo("one.opus", opus.read_bytes())
    assert len(read) == pytest.approx(len(both()), abs=2 * 200)
    caller, agent = read[0::2], read[1::2]
    for side, begin in ((caller, 0), (agent, SECOND)):
        there = loud(side[begin : begin + SECOND])
        assert there > 0.8 * SECOND * 0.9
        assert loud(side) - there < 0.1 * SECOND, "and nowhere else"


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="Opus is read by soundfile")
    with pytest.raises(ValueError, match="cannot be read"):
        stereo("one.opus", b"no sound at all")
