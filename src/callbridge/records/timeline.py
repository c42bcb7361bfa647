"""Who was heard when: bars of speech of both sides, and the time in which nobody spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.records.story import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.records.story import CallStory


@dataclass(frozen=True, slots=True)
class Timeline:
    """The bars of both sides, each in order and without overlaps."""

    caller: tuple[Span, ...]
    agent: tuple[Span, ...]
    silent_ms: int
    """Of the time in which there was a stream: nobody spoke."""
    both_ms: int
    """Both spoke."""


def timeline(story: CallStory) -> Timeline:
    """When each side was heard in a call."""
    caller = joined(span for turn in story.turns for span in turn.spans)
    agent = joined(spoken.span for turn in story.turns for spoken in turn.agent if spoken.span is not None)
    streams = joined(
        Span(stream.began_ms, story.duration_ms if stream.ended_ms is None else stream.ended_ms)
        for stream in story.streams
    )
    spoken = joined([*caller, *agent])
    both_ms = length_ms(caller) + length_ms(agent) - length_ms(spoken)
    heard_ms = sum(_shared_ms(span, stream) for span in spoken for stream in streams)
    return Timeline(caller, agent, max(length_ms(streams) - heard_ms, 0), both_ms)


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same stretches in order, those that touch or overlap as one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.began_ms):
        if found and span.began_ms <= found[-1].ended_ms:
            found[-1] = Span(found[-1].began_ms, max(found[-1].ended_ms, span.ended_ms))
        else:
            found.append(span)
    return tuple(found)


def length_ms(spans: Iterable[Span]) -> int:
    """How long all of them are together."""
    return sum(max(span.ended_ms - span.began_ms, 0) for span in spans)


def _shared_ms(one: Span, other: Span) -> int:
    return max(min(one.ended_ms, other.ended_ms) - max(one.began_ms, other.began_ms), 0)
