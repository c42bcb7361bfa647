"""The call as a stereo recording: the caller left, what was truly heard of the agent right.

Pure, apart from the writing. Time runs from the opening of the first stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.simulators.audio import write_stereo
from callbridge.simulators.phone.playback import BYTES_PER_S
from callbridge.simulators.phone.stream import FRAME_MS
from callbridge.wire.audio import SILENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from callbridge.simulators.phone.stream import PhoneStream


def tracks(streams: Sequence[PhoneStream]) -> tuple[bytes, bytes]:
    """Both sides of the streams that were opened, as µ-law on one time line."""
    caller, agent = bytearray(), bytearray()
    zero = min((stream.opened_at for stream in streams if stream.opened_at is not None), default=0)
    for stream in streams:
        if stream.opened_at is None:
            continue
        # A frame was spoken in the 20 ms before it is sent.
        spoken_at = stream.opened_at + (stream.settings.first_timestamp_ms - FRAME_MS) / 1000
        _lay(caller, spoken_at - zero, bytes(stream.caller_audio))
        ended_at = stream.end.at if stream.end else float("inf")
        for payload in stream.playback.payloads:
            heard = payload.audio[: payload.heard_bytes(ended_at)]
            _lay(agent, payload.plays_from - zero, heard)
    return bytes(caller), bytes(agent)


def write_recording(path: Path, streams: Sequence[PhoneStream]) -> None:
    """Save the call as a 16-bit 8 kHz stereo WAV."""
    write_stereo(path, *tracks(streams))


def _lay(track: bytearray, at_s: float, audio: bytes) -> None:
    """Put audio onto a track at a time, filling the gap before it with silence."""
    offset = max(0, round(at_s * BYTES_PER_S))
    if offset > len(track):
        track.extend(bytes((SILENCE,)) * (offset - len(track)))
    track[offset : offset + len(audio)] = audio
