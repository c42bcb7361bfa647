"""What the process does for an agent beyond its call: it sends texts. Given to `AgentInCall` from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from callbridge.call.outcomes import TextOutcome


@dataclass(frozen=True, slots=True)
class TextResult:
    """What became of a text message, as far as it is known at once."""

    outcome: TextOutcome
    message_sid: str = ""
    code: str = ""
    """Twilio's error code, where it refused."""


class Outside(Protocol):
    """What is beyond the call. No method raises because of a network."""

    async def send_text(self, to: str, words: str) -> TextResult:
        """Sends `words` to a telephone number, once at the most, within 8 s. It does not judge either."""


class NoOutside:
    """Where nothing can be sent: no account stands behind this process."""

    async def send_text(self, to: str, words: str) -> TextResult:
        """Refuses."""
        del to, words
        return TextResult(TextOutcome.REFUSED)
