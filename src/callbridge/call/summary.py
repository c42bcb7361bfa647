"""The one record at the end of a stream, put together from what all parts of the call have counted."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from callbridge.call.facts import StreamEnded

if TYPE_CHECKING:
    from callbridge.call.facts import EndReason
    from callbridge.call.parts import Parts
    from callbridge.call.wishes import Following


def summary(
    reason: EndReason,
    detail: str,
    follows: Following,
    parts: Parts,
    silence_s: float,
    *,
    since: float,
    now: float,
) -> StreamEnded:
    """What a person would ask of a stream that was admitted at `since` and ends at `now`."""
    tally, latencies, began_at = parts.tally, parts.transcript.response_ms, parts.playout.began_at
    return StreamEnded(
        reason,
        detail,
        follows,
        is_admitted=True,
        duration_ms=round((now - since) * 1000),
        turns=parts.transcript.turns,
        interruptions=parts.floor.interruption.count,
        tools_used=parts.tools.used,
        tools_failed=parts.tools.failed,
        frames_from_phone=tally.frames_from_phone,
        frames_to_model=tally.frames_to_model,
        frames_dropped=tally.frames_dropped,
        frames_to_phone=tally.frames_to_phone,
        audio_to_phone_ms=tally.downlink_bytes // 8,
        deltas_dropped=tally.deltas_dropped,
        usage=parts.bill.usage,
        first_audio_ms=None if began_at is None else round((began_at - since) * 1000),
        response_ms_p50=round(median(latencies)) if latencies else None,
        response_ms_max=max(latencies, default=None),
        errors=tally.errors,
        silence_ms_max=round(silence_s * 1000),
    )
