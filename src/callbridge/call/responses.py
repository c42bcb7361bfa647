"""What the turn protocol keeps in mind of a response in progress. Values, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Response:
    """A response in progress."""

    id: str
    items: list[str] = field(default_factory=list)
    """Its spoken items, in order."""
    settled: set[str] = field(default_factory=set)
    """Spoken items that an interruption has truncated, deleted or found heard to the end."""
    is_muted: bool = False
    is_greeting: bool = False
    words: str = ""
    """What it was told to say, when it was told anything."""
    is_overtaken: bool = False
    """The caller has spoken, or pressed a key, since it began."""
