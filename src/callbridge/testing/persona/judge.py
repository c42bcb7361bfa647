"""What a conversation is judged by, and what came of it.

Values only, in Python and in the table `[judge]` of a scenario.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from callbridge.testing.fields import check_fields

CRITERIA_MAX = 20
"""More in one question are answered by guesses."""

Answer: TypeAlias = Literal["yes", "no", "unsure"]


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text model that reads a conversation and says of each criterion whether it holds.

    Args:
        criteria: sentences that hold of a good call: "The caller was told when the shop opens on Sunday."
        confidence_min: a yes or no of less is `unsure`, which is no yes.
        model: the text model; that of the settings when empty.
        dollars: what one judgement may cost.

    Raises:
        ValueError: there is no criterion, an empty one, one twice, or more than 20.
    """

    criteria: list[str]
    confidence_min: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    model: str = ""
    dollars: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.05

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.criteria or not all(map(str.strip, self.criteria)):
            raise ValueError("a judge needs `criteria`: a list of sentences that hold of a good call")
        if len(self.criteria) > CRITERIA_MAX:
            raise ValueError(f"a judge answers at most {CRITERIA_MAX} criteria; write a second judge")
        if len(set(self.criteria)) < len(self.criteria):
            raise ValueError("a criterion stands in `criteria` twice")


class Quote(msgspec.Struct, frozen=True):
    """Words of the conversation on which a verdict rests."""

    turn: int
    words: str


class Verdict(msgspec.Struct, frozen=True):
    """What the judge says of one criterion."""

    criterion: str
    answer: Answer
    confidence: float
    """0 to 1, as the model gives it: no probability of anything."""
    reason: str
    quotes: tuple[Quote, ...] = ()
    """Only those that stand in the turn that they are said to be of."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge says of a conversation."""

    verdicts: tuple[Verdict, ...]
    model: str
    """As the endpoint names it."""
    callbridge: str
    """The version that asked."""
    tokens_in: int
    tokens_out: int
    microdollars: int

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The criteria that are not answered with yes. A judge who is unsure has not said yes."""
        return tuple(verdict for verdict in self.verdicts if verdict.answer != "yes")

    @property
    def is_passed(self) -> bool:
        """Whether all criteria hold."""
        return not self.failures
