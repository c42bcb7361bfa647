"""What the process does for an agent beyond its call: it sends texts, and keeps connections with MCP servers.

Given to `AgentInCall` from above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from callbridge.agents.mcp.connections import Connections
from callbridge.call.outcomes import TextOutcome


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text message that an agent sends. Whoever made it has judged to whom it may go, and its words."""

    text_id: str
    """New in the call."""
    to: str
    """`+14155550100`."""
    words: str
    template: str = ""
    """The name of the template that the words are made of; empty for words of somebody's own."""


@dataclass(frozen=True, slots=True)
class TextResult:
    """What became of a text message, as far as it is known at once."""

    outcome: TextOutcome
    message_sid: str = ""
    code: str = ""
    """Twilio's error code, where it refused."""
    why: str = ""
    """Why it was not sent, in words, where it was not Twilio who refused."""
    segments: int = 0
    """How many it is billed as; 0 where Twilio does not say."""


class Outside(Protocol):
    """What is beyond one call. No method raises because of a network."""

    @property
    def mcp(self) -> Connections:
        """The process's connections with MCP servers."""

    async def send_text(self, text: OutgoingText) -> TextResult:
        """Sends `text` once at the most, within 10 s: that it begins is on disk before (`TextAsked`)."""


class NoOutside:
    """Where nothing can be sent: no account stands behind this process, and nobody keeps connections."""

    def __init__(self) -> None:
        self.mcp = Connections()

    async def send_text(self, text: OutgoingText) -> TextResult:
        """Refuses."""
        del text
        return TextResult(TextOutcome.REFUSED, why="no telephone account stands behind this process")
