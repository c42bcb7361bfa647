"""A turn as it was lived: when each side was heard, and how the answer came to be. Values, no rules.

All times are milliseconds since the call began, as they are known at our end of the line: what the telephone
plays counts when its echo could be here, so both directions are late by the same, and differences between
them are those at the caller's ear.
"""

from __future__ import annotations

import msgspec


class Speech(msgspec.Struct, frozen=True):
    """A stretch in which the caller spoke."""

    began_ms: int
    ended_ms: int


class SaidItem(msgspec.Struct, frozen=True):
    """One item of what the agent said, at its end or its cut."""

    item_id: str
    words: str = ""
    """All that it was to say."""
    heard: str = ""
    """What the caller heard of that."""
    sent_ms: int = 0
    """How much of it was made; of one that was heard no more, also what the phone was not sent."""
    heard_ms: int = 0
    began_ms: int | None = None
    """When the caller began to hear it; None for what they never did."""
    ended_ms: int | None = None
    was_cut: bool = False


class Answer(msgspec.Struct, frozen=True):
    """How the first audio of a turn came to be."""

    stopped_ms: int | None = None
    """When it was known that the caller had stopped: `speech_stopped`, or their keys."""
    ended_ms: int | None = None
    """When they had stopped. Before that by the silence that turn detection waits for."""
    asked_ms: int | None = None
    """When we asked for the response; None for one that the server made by itself."""
    created_ms: int | None = None
    sent_ms: int | None = None
    """The first audio left for the phone, in the callback that read it as a delta."""
    heard_ms: int | None = None
    """By the first echo of it; None where none came."""
