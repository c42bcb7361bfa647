"""What came of it all: plain values for JSON, with a form that does not change. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from callbridge.testing.certifying.check import is_failure
from callbridge.testing.certifying.verdicts import Outcome, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing.certifying.check import Check
    from callbridge.testing.certifying.seen import Seen


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """One check and its verdict."""

    id: str
    severity: Severity
    outcome: Outcome
    asks: str
    evidence: str
    numbers: dict[str, float]
    """Each by a name that ends in its unit."""
    why: str
    notices: str
    """What a caller or an operator notices where it fails."""
    remedy: str
    source: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. Fields may be added; none is renamed or taken out while `format` stays the same."""

    format: Literal[1] = 1
    verdict: Literal["passed", "failed", "not run"]
    """`passed`: every must has passed or is not applicable. `not run`: the bridge could not be called, or
    never opened a session with our model."""
    url: str
    callbridge: str
    """Version of who has certified."""
    made_at: str
    """ISO 8601, UTC."""
    lasted_s: float
    sums: dict[str, int]
    """How many checks came to each outcome."""
    trouble: str = ""
    """Why it was not run."""
    checks: list[CheckReport]

    @property
    def exit_code(self) -> int:
        """0 for passed, 1 for failed, 2 for not run."""
        return {"passed": 0, "failed": 1, "not run": 2}[self.verdict]

    def to_json(self) -> bytes:
        """As indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def certificate(
    checks: Sequence[Check],
    seen: Seen,
    *,
    url: str,
    version: str,
    made_at: str,
    lasted_s: float,
    trouble: str,
) -> Certificate:
    """Judge all that was seen.

    Args:
        checks: those that were asked for.
        seen: what the simulators saw.
        url: of the bridge.
        version: of callbridge.
        made_at: ISO 8601.
        lasted_s: how long it all took.
        trouble: why the bridge could not be called at all; empty where it could.
    """
    verdicts = [(check, check.decide(seen)) for check in checks]
    is_failed = any(is_failure(verdict, check.severity) for check, verdict in verdicts)
    return Certificate(
        verdict="not run" if trouble else "failed" if is_failed else "passed",
        url=url,
        callbridge=version,
        made_at=made_at,
        lasted_s=round(lasted_s, 1),
        sums={outcome.value: count for outcome, count in _sums(verdicts).items()},
        trouble=trouble,
        checks=[_report(check, verdict) for check, verdict in verdicts],
    )


def _sums(verdicts: Sequence[tuple[Check, Verdict]]) -> Counter[Outcome]:
    sums = Counter(dict.fromkeys(Outcome, 0))
    sums.update(verdict.outcome for _, verdict in verdicts)
    return sums


def _report(check: Check, verdict: Verdict) -> CheckReport:
    return CheckReport(
        id=check.id,
        severity=check.severity,
        outcome=verdict.outcome,
        asks=check.asks,
        evidence=verdict.evidence,
        numbers=verdict.numbers,
        why=check.why,
        notices=check.notices,
        remedy=check.remedy,
        source=check.source,
    )
