"""What every page shows above all else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """What whoever looks at a page is to know: a fault in the agent's new code, or that it was taken."""

    words: str
    detail: str = ""
    """Of several lines."""
    is_bad: bool = False
