"""What tokens cost: each kind at its price, and never less than was billed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callbridge.call.price import Price, microdollars
from callbridge.call.usage import Usage

# A power of ten for each kind, so that a digit tells how many tokens were charged at it.
POWERS = Price(
    text_input=1_000_000,
    text_cached=10_000_000,
    text_output=100_000_000,
    audio_input=1_000_000_000,
    audio_cached=10_000_000_000,
    audio_output=100_000_000_000,
)
REAL = Price(
    text_input=4_000_000,
    text_cached=400_000,
    text_output=24_000_000,
    audio_input=32_000_000,
    audio_cached=400_000,
    audio_output=64_000_000,
)


@pytest.mark.parametrize(
    ("usage", "digits"),
    [
        (Usage(), 0),
        (Usage(input_tokens=3), 3),
        (Usage(input_tokens=5, input_audio_tokens=2), 2_003),
        (Usage(output_tokens=5, output_audio_tokens=2), 200_300),
        (Usage(input_tokens=5, cached_tokens=2), 23),
        (Usage(input_tokens=5, input_audio_tokens=3, cached_tokens=2), 3_020),  # Text is cached first,
        (Usage(input_tokens=5, input_audio_tokens=3, cached_tokens=4), 21_020),  # and audio after it.
        (Usage(input_tokens=5, input_audio_tokens=3, cached_tokens=5), 30_020),
        # Numbers that contradict each other: a part is never more than the whole.
        (Usage(input_tokens=2, input_audio_tokens=9, cached_tokens=9), 20_000),
        (Usage(input_audio_tokens=9, output_audio_tokens=9, cached_tokens=9), 0),
        (Usage(input_tokens=-5, output_tokens=-5, cached_tokens=-5), 0),
        (Usage(input_tokens=2, input_audio_tokens=-1, cached_tokens=-1), 2),
    ],
)
def test_each_kind_has_its_price(usage: Usage, digits: int) -> None:
    """From right to left: text in, cached, out; audio in, cached, out."""
    assert POWERS.cost_microdollars(usage) == digits


def test_part_of_a_microdollar_is_one() -> None:
    """Rounded up: a cap is reached too early rather than too late."""
    assert REAL.cost_microdollars(Usage(input_tokens=1, cached_tokens=1)) == 1
    assert REAL.cost_microdollars(Usage(input_tokens=5, cached_tokens=5)) == 2
    assert REAL.cost_microdollars(Usage(input_tokens=6, cached_tokens=6)) == 3


@pytest.mark.parametrize(
    ("dollars", "whole"), [(0.5, 500_000), (0.06, 60_000), (64.0, 64_000_000), (0.1, 100_000)]
)
def test_dollars_in_whole_numbers(dollars: float, whole: int) -> None:
    """The binary fraction of a decimal price does not show."""
    assert microdollars(dollars) == whole


COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_cost_lies_between_all_cached_and_nothing_cached(
    text_in: int, audio_in: int, text_out: int, audio_out: int, cached: int
) -> None:
    """A cache makes it cheaper, and never less than if it had held audio first, which saves the most."""
    usage = Usage(
        text_in + audio_in, text_out + audio_out, audio_in, audio_out, min(cached, text_in + audio_in)
    )
    cost = REAL.cost_microdollars(usage)
    assert cost <= REAL.cost_microdollars(replace(usage, cached_tokens=0))
    assert cost >= REAL.cost_microdollars(replace(usage, cached_tokens=usage.input_tokens))
    audio_first = min(usage.cached_tokens, audio_in)
    cheapest = (
        (audio_in - audio_first) * 32_000_000
        + (text_in - (usage.cached_tokens - audio_first)) * 4_000_000
        + usage.cached_tokens * 400_000
        + text_out * 24_000_000
        + audio_out * 64_000_000
    )
    assert cost * 1_000_000 >= cheapest
