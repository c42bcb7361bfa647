"""Recordings against the truth: what the phone simulator's caller said and heard, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.records.recording.wav import HEADER_BYTES
from callbridge.simulators.phone.recording import tracks
from callbridge.wire.audio import BYTES_PER_MS, SILENCE

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.phone import PhoneStream

WINDOW = 20 * BYTES_PER_MS
"""What is looked for at a time; made-up speech is noise, so it is found in one place only."""


@dataclass
class Heard:
    """How one side of a recording lies against the truth."""

    offsets_ms: list[tuple[float, float]] = field(default_factory=list)
    """For each piece found: when it sounded in truth, and how much later it stands in the recording."""
    missing_ms: int = 0
    """What sounded and is not in the recording."""


def sides(wav: Path) -> tuple[bytes, bytes]:
    """Caller and agent of a file."""
    both = wav.read_bytes()[HEADER_BYTES:]
    return both[0::2], both[1::2]


def compared(truth: bytes, recorded: bytes) -> Heard:
    """Looks for all that sounded in truth."""
    heard, silent = Heard(), bytes((SILENCE,))
    for at in range(0, len(truth) - WINDOW, WINDOW):
        piece = truth[at : at + WINDOW]
        if piece.count(silent) > WINDOW // 4:
            continue
        found = recorded.find(piece)
        if found < 0:
            heard.missing_ms += WINDOW // BYTES_PER_MS
        else:
            heard.offsets_ms.append((at / BYTES_PER_MS, (found - at) / BYTES_PER_MS))
    return heard


def audible_ms(side: bytes) -> int:
    """How much of a side is no silence."""
    return (len(side) - side.count(bytes((SILENCE,)))) // BYTES_PER_MS


def laid(stream: PhoneStream) -> tuple[bytes, bytes]:
    """What the caller said and heard, on the time line of the phone."""
    return tracks([stream])


def misaligned_ms(stream: PhoneStream, wav: Path) -> tuple[float, Heard, Heard]:
    """The largest distance between the two sides, against what was said and heard at the phone."""
    true_caller, true_agent = tracks([stream])
    caller, agent = sides(wav)
    said, heard = compared(true_caller, caller), compared(true_agent, agent)
    (low, high) = min(o for _, o in said.offsets_ms), max(o for _, o in said.offsets_ms)
    worst = max(max(abs(o - low), abs(o - high)) for _, o in heard.offsets_ms)
    return worst, said, heard
