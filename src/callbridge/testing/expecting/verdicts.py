"""What a judge says of a call, as expectations. Pure: who asks the judge is `persona.judging`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.expecting.unmet import Unmet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.testing.persona.judge import Judgement, Verdict


def unmet(judgement: Judgement) -> Iterator[Unmet]:
    """Each criterion that is not answered with yes."""
    for verdict in judgement.failures:
        line = f"the judge ({judgement.model}) says {verdict.answer}: {verdict.criterion}"
        yield Unmet(line, tuple(_found(verdict)), is_missing=verdict.answer == "unsure")


def _found(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.reason} (confidence {verdict.confidence:.2f})"
    yield from (f"turn {quote.turn}: {quote.words}" for quote in verdict.quotes)


def vetoed(reason: str | None) -> Unmet | None:
    """What a check of the user's own has against the call, whatever a judge says.

    Raises:
        TypeError: it says yes or no, and nobody can tell whether that is a yes to the call or to the veto.
    """
    if reason is not None and not isinstance(reason, str):
        raise TypeError(f"veto returned {reason!r}: return why the call may not pass, or an empty text")
    return Unmet(f"vetoed: {reason}") if reason else None
