"""What the model's tokens cost. Numbers only: the price list stands with the server's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.call.usage import Usage

_MILLION = 1_000_000


def microdollars(dollars: float) -> int:
    """`dollars` as whole millionths of a dollar."""
    return round(dollars * _MILLION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One model's prices, each in microdollars per million tokens. Whole numbers, so that sums are exact."""

    text_input: int
    text_cached: int
    text_output: int
    audio_input: int
    audio_cached: int
    audio_output: int

    def cost_microdollars(self, usage: Usage) -> int:
        """What `usage` costs, rounded up.

        Cached tokens are a part of the input, and the usage does not say of which kind. They count as text
        first: text saves the least, so that the cost is never understated. An image, which no phone sends,
        counts as text.
        """
        input_tokens = max(0, usage.input_tokens)
        output_tokens = max(0, usage.output_tokens)
        # The model's numbers may contradict each other; a part is never counted as more than the whole.
        audio_in = _within(usage.input_audio_tokens, input_tokens)
        audio_out = _within(usage.output_audio_tokens, output_tokens)
        cached = _within(usage.cached_tokens, input_tokens)
        text_in = input_tokens - audio_in
        text_cached = min(cached, text_in)
        audio_cached = cached - text_cached
        parts = (
            (text_in - text_cached) * self.text_input,
            text_cached * self.text_cached,
            (output_tokens - audio_out) * self.text_output,
            (audio_in - audio_cached) * self.audio_input,
            audio_cached * self.audio_cached,
            audio_out * self.audio_output,
        )
        return -(-sum(parts) // _MILLION)


def _within(part: int, whole: int) -> int:
    return min(max(0, part), whole)
