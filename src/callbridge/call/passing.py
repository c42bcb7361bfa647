"""What passes by the machine: where the relay writes what it moves, as the relay sees it.

An ordinary call gives it the ledger and the transcript themselves. One that is taped gives it two that also
write down what came.
"""

from __future__ import annotations

from typing import Protocol


class Ledger(Protocol):
    """The ledger of agent audio (`Playout`)."""

    def sent(self, item_id: str, byte_count: int, now: float) -> str | None:
        """Agent audio went to the phone. Answers a mark when one is due."""

    def clip_sent(self, byte_count: int, now: float, name: str) -> None:
        """Audio of ours did."""

    def mark(self, now: float) -> str | None:
        """A mark to send now, or nothing when all audio is marked."""

    def withheld(self, item_id: str, byte_count: int) -> None:
        """Audio of a muted item was kept from the phone."""

    def is_part(self, item_id: str, content_index: int) -> None:
        """Which part of an item its audio is."""

    def echoed_on_the_way(self, name: str, now: float) -> bool:
        """An echo came. Answers whether it was taken, so that the machine need not know."""

    def unheard_ms(self, now: float) -> int:
        """Milliseconds sent that the caller has not heard."""


class Words(Protocol):
    """The words of the agent (`Transcript`)."""

    def agent_adds(self, item_id: str, words: str) -> None:
        """A piece of the text of an item."""
