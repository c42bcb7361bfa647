"""What a check may come to, and how it says so. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much a check matters."""

    MUST = "must"
    """Without it callers are misunderstood or cut off, strangers get in, or money is burnt."""
    SHOULD = "should"
    """A caller or an operator notices."""
    INFO = "info"
    """Good to know; nobody has to have it."""


class Outcome(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SEEN = "not seen"
    """What it needs did not come about: nothing is known, which is not the same as passed."""
    NOT_APPLICABLE = "not applicable"
    """The bridge does not claim to do this, or does it in a way that is not judged here."""


class Verdict(msgspec.Struct, frozen=True):
    """What one check found."""

    outcome: Outcome
    evidence: str
    """What the simulators saw, in plain words."""
    numbers: dict[str, float] = {}
    """What was measured, by a name that ends in its unit."""


class UndecidedError(Exception):
    """Raised where a check finds that it cannot be decided; carries the verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.evidence)
        self.verdict = verdict


def not_seen(evidence: str) -> UndecidedError:
    """For `raise`: what the check needs did not come about."""
    return UndecidedError(Verdict(Outcome.NOT_SEEN, evidence))


def not_applicable(evidence: str) -> UndecidedError:
    """For `raise`: the check is not about this bridge."""
    return UndecidedError(Verdict(Outcome.NOT_APPLICABLE, evidence))


def decided(*, is_good: bool, evidence: str, **numbers: float) -> Verdict:
    """Passed or failed, with what was measured, to a tenth."""
    outcome = Outcome.PASSED if is_good else Outcome.FAILED
    return Verdict(outcome, evidence, {name: round(value, 1) for name, value in numbers.items()})
