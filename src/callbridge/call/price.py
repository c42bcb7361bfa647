"""What a call costs. Numbers only: the price list stands with the server's data.

Prices are whole microdollars per million tokens, or per started minute, so that sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from callbridge.call.usage import Usage

_MILLION: Final = 1_000_000

Picodollars: TypeAlias = int
"""Millionths of a microdollar: what tokens cost without a remainder."""

AUDIO_TOKENS_PER_MINUTE: Final = 600
"""Of a caller's audio: one in 100 ms (developers.openai.com/api/docs/guides/realtime-costs)."""


def microdollars(dollars: float) -> int:
    """`dollars` as whole millionths of a dollar."""
    return round(dollars * _MILLION)


def rounded_up(picodollars: Picodollars) -> int:
    """Microdollars; a part of one counts as one, so that a cap is reached too early rather than too late."""
    return -(-picodollars // _MILLION)


def started(seconds: float) -> int:
    """Minutes of a line as they are billed: each that has begun, and at least one.

    Twilio rounds up per call (changelog of 2022-09-27). A second that is only begun does not count.
    """
    return max(1, -(-int(seconds) // 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One model's prices, each in microdollars per million tokens."""

    text_input: int
    text_cached: int
    text_output: int
    audio_input: int
    audio_cached: int
    audio_output: int

    def cost_picodollars(self, usage: Usage) -> Picodollars:
        """What the responses in `usage` cost: what was cached at the price of its kind, the rest in full.

        The model's numbers may contradict each other; a part is never counted as more than the whole. An
        image counts as text.
        """
        text_cached, audio_cached = usage.input_cached
        text_in, text_out = usage.input_text_tokens, usage.output_text_tokens
        audio_in, audio_out = max(0, usage.input_tokens) - text_in, max(0, usage.output_tokens) - text_out
        return (
            (text_in - text_cached) * self.text_input
            + text_cached * self.text_cached
            + text_out * self.text_output
            + (audio_in - audio_cached) * self.audio_input
            + audio_cached * self.audio_cached
            + audio_out * self.audio_output
        )

    def cost_microdollars(self, usage: Usage) -> int:
        """The same, rounded up."""
        return rounded_up(self.cost_picodollars(usage))


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionPrice:
    """What a model's transcripts cost: by the minute of audio, by the million tokens, or as it is told."""

    minute: int | None = None
    input: int | None = None
    output: int | None = None

    def cost_picodollars(self, usage: Usage) -> Picodollars | None:
        """What the transcripts in `usage` cost; None where there is no price for the way they are told in.

        A model that has a price by the minute, and tells tokens, is billed by the minutes that they stand
        for: one token in 100 ms.
        """
        tokens = usage.transcription_input_tokens, usage.transcription_output_tokens
        if not any(tokens) and not usage.transcription_ms:
            return 0
        if self.input is not None and self.output is not None and not usage.transcription_ms:
            return tokens[0] * self.input + tokens[1] * self.output
        if self.minute is None:
            return None
        by_time = usage.transcription_ms * self.minute * _MILLION // 60_000
        return by_time + tokens[0] * self.minute * _MILLION // AUDIO_TOKENS_PER_MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPrice:
    """What a text model costs that looks at calls which are over, in microdollars per million tokens."""

    input: int
    output: int

    def cost_picodollars(self, tokens_in: int, tokens_out: int) -> Picodollars:
        """What so many tokens cost. What was cached of them is not told, and counts in full."""
        return tokens_in * self.input + tokens_out * self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePrice:
    """What a caller's line costs, in microdollars per started minute. None: not known."""

    name: str
    """Of the caller's line in the price list: `inbound +1`."""
    line: int | None = None
    stream: int | None = None
    """Twilio's Media Streams, beside the line."""
