"""The one record at the end of a stream, put together from what all parts of the call have counted."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from callbridge.call.facts import CallEnded, EndReason

if TYPE_CHECKING:
    from callbridge.call.playout import Playout, Tally
    from callbridge.call.turns import Turns


def summary(
    reason: EndReason, detail: str, *, turns: Turns, tally: Tally, playout: Playout, since: float, now: float
) -> CallEnded:
    """What a person would ask of a stream that was admitted at `since` and ends at `now`."""
    latencies, began_at = turns.transcript.response_ms, playout.began_at
    return CallEnded(
        reason=reason,
        detail=detail,
        duration_ms=round((now - since) * 1000),
        turns=turns.transcript.turns,
        interruptions=turns.cutting.count,
        tools_used=turns.tools_used,
        frames_from_phone=tally.frames_from_phone,
        frames_to_model=tally.frames_to_model,
        frames_dropped=tally.frames_dropped,
        frames_to_phone=tally.frames_to_phone,
        audio_to_phone_ms=tally.downlink_bytes // 8,
        deltas_dropped=tally.deltas_dropped,
        usage=turns.usage,
        first_audio_ms=None if began_at is None else round((began_at - since) * 1000),
        response_ms_p50=round(median(latencies)) if latencies else None,
        response_ms_max=max(latencies, default=None),
        errors=turns.errors,
    )
