"""What a call was billed for while it went on. What it cost in all is told of its record."""

from __future__ import annotations

from typing import Literal, TypeAlias

from callbridge.call.fact_base import BaseFact
from callbridge.call.usage import Usage

Billing: TypeAlias = Literal["response", "transcription", "line"]
"""What is paid for: an answer of the model, the words of an utterance, started minutes of the line."""


class Billed(BaseFact, frozen=True):
    """Something was paid for."""

    usage: Usage
    """Of the whole stream so far."""
    cost_microdollars: int
    """What was added to the bill; 0 where no price is known."""
    what: Billing = "response"
    priced_as: str = ""
    """By which price of the list: a model, or `inbound` and the beginning of a number."""
    billed_id: str = ""
    """The response, or the caller's item that was transcribed."""
    used: Usage | None = None
    """What this alone was billed for; nothing in records of old, and for the line."""
    line_minutes: int = 0
    """Minutes of the caller's line that have begun meanwhile."""
    stream_minutes: int = 0
