"""Lists of calls: which are wanted, and what is told of each. Types only; `reading` asks the database."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

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
