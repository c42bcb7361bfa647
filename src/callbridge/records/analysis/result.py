"""What an analysis leaves in the record of a call: the findings, with each promise and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from callbridge.records.analysis.promises import Checked, check_promises

if TYPE_CHECKING:
    from callbridge.records.analysis.asking import Answer
    from callbridge.records.story import CallStory


class AnalysisResult(msgspec.Struct, frozen=True, kw_only=True):
    """`CallStory.analysis`, as JSON."""

    model: str
    """Which model found it, as the endpoint names it."""
    summary: str
    intent: str
    sentiment: float
    """-1 to 1."""
    lead_score: int
    """0 to 100."""
    outcome: str
    follow_ups: tuple[str, ...]
    promises: tuple[Checked, ...]
    custom: Any = None
    """The fields of the agent's own."""


def result_of(answer: Answer, story: CallStory) -> AnalysisResult:
    """What is kept of an answer about this call."""
    found = answer.findings
    return AnalysisResult(
        model=answer.model,
        summary=found.summary,
        intent=found.intent,
        sentiment=found.sentiment,
        lead_score=found.lead_score,
        outcome=found.outcome,
        follow_ups=tuple(found.follow_ups),
        promises=check_promises(found.promises, story),
        custom=answer.custom,
    )
