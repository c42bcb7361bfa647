"""What the vendor bills a stream for, by kind: tokens of its responses, and its transcripts."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from callbridge.wire import realtime_events

RESPONSE_TOKENS_MAX: Final = 262_144
"""Of one kind in one response: twice the context of a model (128k). A number above it is none, and must not
close the line by a limit of cost."""

TOKEN_KINDS: Final = (
    *("input_text", "input_text_cached", "input_audio", "input_audio_cached"),
    *("output_text", "output_audio", "transcription_input", "transcription_output"),
)
"""What tokens are billed as. No token is of two kinds: what was cached is not told among the rest."""

TRANSCRIPT_S_MAX: Final = 3_600
"""Of one transcript: a session ends after an hour."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is billed. Images, which no phone sends, count as text."""

    input_tokens: int = 0
    """Text and audio, what was cached included."""
    output_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cached_tokens: int = 0
    """A part of the input."""
    cached_audio_tokens: int = 0
    """A part of that, and of the audio."""
    transcription_input_tokens: int = 0
    transcription_output_tokens: int = 0
    transcription_ms: int = 0
    """Where transcripts are billed by time."""

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Usage(*(one + more for one, more in zip(mine, others, strict=True)))

    def since(self, earlier: Usage) -> Usage:
        """What was used after `earlier`, where this is the sum of both."""
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(earlier)
        return Usage(*(max(0, one - less) for one, less in zip(mine, others, strict=True)))

    @property
    def input_text_tokens(self) -> int:
        """Of the input what is no audio."""
        return max(0, self.input_tokens) - _within(self.input_audio_tokens, self.input_tokens)

    @property
    def output_text_tokens(self) -> int:
        """Of the output what is no audio: words, calls of tools, thought."""
        return max(0, self.output_tokens) - _within(self.output_audio_tokens, self.output_tokens)

    @property
    def input_cached(self) -> tuple[int, int]:
        """Cached text and cached audio, neither more than there is of its kind.

        Where only the sum is known it counts as text first: text saves the least, so that the cost is never
        understated.
        """
        cached = _within(self.cached_tokens, self.input_tokens)
        audio = _within(self.input_audio_tokens, self.input_tokens)
        text = min(cached - _within(self.cached_audio_tokens, min(cached, audio)), self.input_text_tokens)
        return text, min(cached - text, audio)

    @property
    def by_kind(self) -> dict[str, int]:
        """All tokens by kind, each of `TOKEN_KINDS`; none in two of them."""
        text_cached, audio_cached = self.input_cached
        text_in, text_out = self.input_text_tokens, self.output_text_tokens
        counts = (
            *(text_in - text_cached, text_cached),
            *(max(0, self.input_tokens) - text_in - audio_cached, audio_cached),
            *(text_out, max(0, self.output_tokens) - text_out),
            *(max(0, self.transcription_input_tokens), max(0, self.transcription_output_tokens)),
        )
        return dict(zip(TOKEN_KINDS, counts, strict=True))


def of_response(reported: realtime_events.Usage) -> Usage:
    """What one response was billed for. Any number may be absent.

    A response that was interrupted, cancelled or failed is billed for what it read and wrote like any other.
    """
    read = reported.input_token_details or realtime_events.InputTokens()
    wrote = reported.output_token_details or realtime_events.OutputTokens()
    by_kind = read.cached_tokens_details
    cached = read.cached_tokens
    if cached is None and by_kind is not None:
        cached = _count(by_kind.text_tokens) + _count(by_kind.audio_tokens)
    usage = Usage(
        _count(reported.input_tokens),
        _count(reported.output_tokens),
        _count(read.audio_tokens),
        _count(wrote.audio_tokens),
        _count(cached),
    )
    if by_kind is not None:
        usage = msgspec.structs.replace(usage, cached_audio_tokens=_count(by_kind.audio_tokens))
    text, audio = usage.input_cached
    return msgspec.structs.replace(usage, cached_tokens=text + audio, cached_audio_tokens=audio)


def of_transcript(reported: realtime_events.TranscriptionUsage) -> Usage:
    """What the transcript of one utterance was billed for: tokens, or time."""
    seconds = reported.seconds or 0
    seconds = min(max(seconds, 0), TRANSCRIPT_S_MAX) if math.isfinite(seconds) else 0
    return Usage(
        transcription_input_tokens=_count(reported.input_tokens),
        transcription_output_tokens=_count(reported.output_tokens),
        transcription_ms=round(seconds * 1000),
    )


def _count(tokens: realtime_events.Tokens) -> int:
    return int(min(max(tokens or 0, 0), RESPONSE_TOKENS_MAX))


def _within(part: int, whole: int) -> int:
    return min(max(0, part), max(0, whole))
