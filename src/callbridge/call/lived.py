"""A turn as it was lived: when each side was heard, how the answer came to be, and how long that took.

All times are milliseconds since the call began, as they are known at our end of the line: what the telephone
plays counts when its echo could be here, so both directions are late by the same, and differences between
them are those at the caller's ear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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

    @property
    def latency_ms(self) -> int | None:
        """From the end of the caller's speech to the first audio that they heard: the wait of a turn.

        None where either was not measured: the caller had not spoken, or nobody heard an answer.
        """
        return _between(self.ended_ms, self.heard_ms)

    @property
    def first_delta_ms(self) -> int | None:
        """From the moment in which it was known that they had stopped to the model's first audio."""
        return _between(self.stopped_ms, self.sent_ms)

    @property
    def way_ms(self) -> int | None:
        """From the first audio that left to the echo that it was heard: there, and the echo back."""
        return _between(self.sent_ms, self.heard_ms)

    def first_heard(self, items: Sequence[SaidItem], heard_from: Mapping[str, int]) -> Answer:
        """The same of a turn that was recorded while its first item was still to be heard.

        Args:
            items: of that turn.
            heard_from: when the caller began to hear items that they have heard to the end.
        """
        began_ms = heard_from.get(items[0].item_id) if items and self.heard_ms is None else None
        return self if began_ms is None else msgspec.structs.replace(self, heard_ms=began_ms)


def _between(began_ms: int | None, ended_ms: int | None) -> int | None:
    """What was not measured, or is no time at all, is None and never 0."""
    if began_ms is None or ended_ms is None or ended_ms < began_ms:
        return None
    return ended_ms - began_ms
