"""A span and its events as values. No clock, no SDK: who makes one says when everything was.

There is no span for a whole call: it would be seen at its end only. What belongs to one call has the same
trace, whose id is derived from the CallSid, so that every process finds it, and so does who knows the
CallSid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody said, or what a tool was told: no attribute yet, since it may have to go."""

    text: str
    role: Literal["user", "assistant", ""] = ""
    """Who said it in the conversation; empty for what is no part of it."""


Value: TypeAlias = str | bool | int | float | tuple[str, ...] | tuple[int, ...] | Words
Attributes: TypeAlias = "Mapping[str, Value]"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span."""

    name: str
    at: float
    """In seconds since 1970."""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time with a name, and all that is known of it. It is over."""

    trace_id: int
    span_id: int
    parent_id: int = 0
    """0 for one that has no parent."""
    name: str
    began_at: float
    """In seconds since 1970."""
    ended_at: float
    is_of_peer: bool = False
    """It was somebody else's work: that of the model."""
    attributes: Attributes
    events: tuple[SpanEvent, ...] = ()
    fault: str = ""
    """What went wrong, in a word or few; empty where nothing did."""


def trace_id_of(call_sid: str) -> int:
    """The trace of a call: the first half of the SHA-256 of its CallSid, as 32 hexadecimal digits."""
    return int.from_bytes(hashlib.sha256(call_sid.encode()).digest()[:16], "big") or 1


def span_id_of(call_sid: str, *place: str | int) -> int:
    """The span with this place in the call: known before it is over, so that others may stand in it."""
    text = "\0".join((call_sid, *map(str, place)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") or 1


def is_of_share(call_sid: str, share: float) -> bool:
    """Whether the call is one of so large a share of all: the same in every process."""
    return (trace_id_of(call_sid) & (2**56 - 1)) < share * 2**56
