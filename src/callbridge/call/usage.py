"""What the vendor bills a stream for: tokens, summed up over its responses."""

from __future__ import annotations

from typing import Final

import msgspec

from callbridge.wire import realtime_events

RESPONSE_TOKENS_MAX: Final = 262_144
"""Of one kind in one response: twice the context of a model (128k). A number above it is none, and must not
close the line by a limit of cost."""


class Usage(msgspec.Struct, frozen=True):
    """Billed tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_tokens: int = 0

    def plus(self, reported: realtime_events.Usage) -> Usage:
        """The sum with what was reported for one response. Any number may be absent."""
        read = reported.input_token_details or realtime_events.InputTokens()
        wrote = reported.output_token_details or realtime_events.OutputTokens()
        return Usage(
            self.input_tokens + _count(reported.input_tokens),
            self.output_tokens + _count(reported.output_tokens),
            self.input_audio_tokens + _count(read.audio_tokens),
            self.output_audio_tokens + _count(wrote.audio_tokens),
            self.cached_tokens + _count(read.cached_tokens),
        )


def _count(tokens: realtime_events.Tokens) -> int:
    return int(min(max(tokens or 0, 0), RESPONSE_TOKENS_MAX))
