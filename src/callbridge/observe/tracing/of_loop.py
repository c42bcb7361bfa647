"""The event loop that was late, as a span: every call of the process has heard that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.observe.tracing import names
from callbridge.observe.tracing.spans import Span, span_id_of, trace_id_of

if TYPE_CHECKING:
    from callbridge.observe.tracing.spans import Value

_LAG = "event loop late"


def span_of_lag(ended_at: float, lag_s: float, stack: str) -> Span:
    """A trace of its own: it belongs to no call.

    Args:
        ended_at: when the loop went on, in seconds since 1970.
        lag_s: how late it was.
        stack: where it was stuck; empty where that is not known.
    """
    place = f"{_LAG} {ended_at!r}"
    told: dict[str, Value] = {f"{names.OURS}lag_ms": round(lag_s * 1000)}
    if stack:
        told[names.STACK] = stack
    return Span(
        trace_id=trace_id_of(place),
        span_id=span_id_of(place),
        name=_LAG,
        began_at=ended_at - lag_s,
        ended_at=ended_at,
        attributes=told,
        fault="late",
    )
