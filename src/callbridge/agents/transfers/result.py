"""`TransferResult`: what became of a transfer, for the agent's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.call.outcomes import TransferOutcome


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What became of a transfer."""

    name: str
    """Of the destination."""
    outcome: TransferOutcome
    waited_s: float = 0.0
    """How long the caller waited for it; for a call that was taken, until it was."""
