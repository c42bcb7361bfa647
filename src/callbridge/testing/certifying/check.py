"""A check: what is asked of a bridge, why, who says so, and what to do when it fails. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.testing.certifying.verdicts import Outcome, Severity, UndecidedError, Verdict

if TYPE_CHECKING:
    from callbridge.testing.certifying.seen import Seen

Judge = Callable[["Seen"], Verdict]

STREAMS = "https://www.twilio.com/docs/voice/media-streams/websocket-messages"
STREAM_VERB = "https://www.twilio.com/docs/voice/twiml/stream"
SECURITY = "https://www.twilio.com/docs/usage/security"
ERRORS = "https://www.twilio.com/docs/api/errors"
CONVERSATIONS = "https://developers.openai.com/api/docs/guides/realtime-conversations"
CALLING = "https://developers.openai.com/api/docs/guides/function-calling"
COSTS = "https://developers.openai.com/api/docs/guides/realtime-costs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check."""

    id: str
    severity: Severity
    asks: str
    """What it asks, in a few words that are a claim about the bridge."""
    why: str
    notices: str
    """What a caller or an operator notices where it fails."""
    remedy: str
    source: str
    """The vendor's page that says so."""
    probes: tuple[str, ...]
    """The calls that it looks at, by their ids."""
    judge: Judge

    def decide(self, seen: Seen) -> Verdict:
        """The verdict; a call that was not made, or did not come about, is never a pass."""
        try:
            for probe in self.probes:
                seen.of(probe)
            return self.judge(seen)
        except UndecidedError as undecided:
            return undecided.verdict


def is_failure(verdict: Verdict, severity: Severity) -> bool:
    """Whether a bridge cannot be certified with it: a must that failed, or of which nothing is known."""
    return severity is Severity.MUST and verdict.outcome in {Outcome.FAILED, Outcome.NOT_SEEN}
