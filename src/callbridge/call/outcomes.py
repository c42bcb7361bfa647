"""How the run of a tool ended, in one word."""

from __future__ import annotations

from enum import Enum


class ToolOutcome(Enum):
    """Every way out of a tool. Each is told to the model at once, and logged."""

    ANSWERED = "answered"
    STORED = "stored"
    """It was not run: it had answered the same question in an earlier session of the call."""
    FAILED = "failed"
    """It raised, or answered with what cannot be told."""
    TIMED_OUT = "timed_out"
    """Its time is over. A plain function goes on by itself, and may still take effect."""
    CANCELLED = "cancelled"
    """It was stopped, by itself or with its call."""
    REFUSED = "refused"
    """It was not run: the call of it was wrong, or nobody is there any more."""
    BUSY = "busy"
    """It was not run: too many others run."""

    @property
    def is_answer(self) -> bool:
        """Whether the model got what it had asked for."""
        return self in {ToolOutcome.ANSWERED, ToolOutcome.STORED}
