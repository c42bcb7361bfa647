"""What the model is told of a transfer that has ended."""

from __future__ import annotations

import pytest

from callbridge.call.outcomes import TransferOutcome
from callbridge.call.transfer_words import words_of


@pytest.mark.parametrize("outcome", TransferOutcome)
def test_every_outcome_has_words_of_its_own(outcome: TransferOutcome) -> None:
    words = words_of("sales", outcome, 25.2)
    assert words.startswith("[The ") and words.endswith(".]")  # noqa: PT018 - its two brackets
    assert "sales" in words
    assert "{" not in words
    assert words not in {words_of("sales", other, 25.2) for other in TransferOutcome if other is not outcome}


def test_the_wait_is_told_where_it_says_something() -> None:
    assert "nobody answered for 25 s. The caller is back with you." in words_of(
        "sales", TransferOutcome.NO_ANSWER, 25.2
    )
    assert "nobody answered. " in words_of("sales", TransferOutcome.NO_ANSWER)
    assert "any longer after 12 s." in words_of("sales", TransferOutcome.CALLER_RETURNED, 12)


@pytest.mark.parametrize("outcome", [TransferOutcome.CALLER_HUNG_UP, TransferOutcome.CLOSED])
def test_nobody_is_said_to_be_back_who_is_gone_or_never_left(outcome: TransferOutcome) -> None:
    assert "is back" not in words_of("sales", outcome, 3)
