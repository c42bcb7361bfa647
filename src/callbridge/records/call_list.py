"""Lists of calls: which are wanted, and what is told of each. Pure; `reading` asks the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from callbridge.records.story import CallStory

PAGE: Final = 50
PAGE_MAX: Final = 1000


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are wanted; all by default. What is given holds together."""

    since: float | None = None
    """They began at this time or later, in seconds since 1970."""
    until: float | None = None
    """They began before this time."""
    agent: str = ""
    caller_key: str = ""
    end_reason: str = ""
    state: Literal["", "declined", "live", "ended"] = ""
    duration_ms_min: int = 0
    words: str = ""
    """All of these were said or heard in one turn, or stand in a captured object. Parts of words count."""
    limit: int = PAGE
    """At most `PAGE_MAX`."""
    after: str = ""
    """The page behind this one: `CallSummary.cursor` of the last call that is known."""


class CallSummary(msgspec.Struct, frozen=True):
    """One call in a list."""

    call_sid: str
    state: str
    began_at: float
    ended_at: float | None
    duration_ms: int
    direction: str
    caller: str
    caller_key: str
    called: str
    agent: str
    model: str
    end_reason: str
    end_detail: str
    streams: int
    turns: int
    tools: int
    interruptions: int
    response_p50_ms: int | None
    response_p95_ms: int | None
    response_max_ms: int | None
    cost_microdollars: int

    @property
    def cursor(self) -> str:
        """Its place in the order of all calls: the next page is `after` it."""
        return f"{self.began_at!r} {self.call_sid}"


def summary_of(story: CallStory) -> CallSummary:
    """A call as a list has it."""
    models = [stream.model for stream in story.streams if stream.model]
    response = story.response
    return CallSummary(
        story.call_sid,
        story.state,
        story.began_at,
        story.ended_at,
        story.duration_ms,
        story.direction,
        story.caller,
        story.caller_key,
        story.called,
        story.agent,
        models[-1] if models else "",
        story.end_reason,
        story.end_detail,
        streams=len(story.streams),
        turns=len(story.turns),
        tools=sum(len(turn.tools) for turn in story.turns),
        interruptions=story.interruptions,
        response_p50_ms=None if response is None else response.p50,
        response_p95_ms=None if response is None else response.p95,
        response_max_ms=None if response is None else response.max,
        cost_microdollars=story.cost.microdollars,
    )


def is_wanted(story: CallStory, wanted: Filter) -> bool:
    """Whether a call is wanted, as the database says it. Its place among others is not looked at."""
    equal = (
        (story.agent, wanted.agent),
        (story.caller_key, wanted.caller_key),
        (story.end_reason, wanted.end_reason),
        (story.state, wanted.state),
    )
    return (
        all(found == meant for found, meant in equal if meant)
        and (wanted.since is None or story.began_at >= wanted.since)
        and (wanted.until is None or story.began_at < wanted.until)
        and story.duration_ms >= wanted.duration_ms_min
        and _has_words(story, wanted.words.casefold().split())
    )


def _has_words(story: CallStory, words: list[str]) -> bool:
    texts = [text for turn in story.turns for text in (turn.caller or "", turn.heard)]
    texts += story.captured.values()
    return not words or any(all(word in text.casefold() for word in words) for text in texts)
