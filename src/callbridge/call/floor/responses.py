"""What the floor keeps in mind of an ask, of a promise, and of a response in progress. Values, no rules.

Each carries from its birth the number of the caller's turn. It is one more at each `speech_started` and each
first key, so what was overtaken is known by comparing numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ask:
    """Our response.create."""

    id: str
    """Its `event_id`: it stands in the error that answers it, and in the metadata of the response."""
    turn: int
    since: float
    """Since when the caller waits for what it asks for."""
    words: str
    """What the agent was told to say; empty for an ordinary answer."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The caller stopped, and the server answers by itself."""

    turn: int
    since: float
    """When they stopped."""


@dataclass(slots=True)
class LiveResponse:
    """A response in progress."""

    id: str
    turn: int
    since: float
    """Since when the caller waits for it."""
    words: str = ""
    """What it was told to say, when it was told anything."""
    is_greeting: bool = False
    is_muted: bool = False
    muted_at: float = 0.0
    items: list[str] = field(default_factory=list)
    """Its spoken items, in order."""
    settled: set[str] = field(default_factory=set)
    """Spoken items that an interruption has truncated, deleted or found heard to the end."""
