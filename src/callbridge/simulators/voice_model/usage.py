"""Tokens: what a response costs, what of it was cached, and what the rate limit has left.

Rates of the pricing guide: caller audio 1 token per 100 ms, assistant audio 1 per 50 ms. Text counts
one token for four characters, which is near enough for a simulator. The whole conversation is input
again for every response; what stood in the last one unchanged, from its beginning, is cached.

https://developers.openai.com/api/docs/guides/realtime-costs
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.schema import Json

CALLER_MS_PER_TOKEN = 100
ASSISTANT_MS_PER_TOKEN = 50
CHARACTERS_PER_TOKEN = 4

TOKENS_PER_MINUTE = 200_000
"""The smallest tier that serves `gpt-realtime-2.1`."""

CACHE_BLOCK = 64
"""Cached counts come in multiples of this."""

Counts = tuple[int, int]
"""Text tokens, audio tokens."""


class Meter:
    """Counts the tokens of one session."""

    def __init__(self) -> None:
        self._cached: list[tuple[str, Counts]] = []
        self._spent: deque[tuple[float, int]] = deque()

    def usage(
        self, prompt: Json, context: Iterable[Item], output: Iterable[Item], *, reasoning_tokens: int = 0
    ) -> Json:
        """`response.usage` for a response that `output` came of, and thought that is not in it."""
        parts = [("prompt", (text_tokens(msgspec.json.encode(prompt).decode()), 0))]
        parts += [(item.id, _counts(item)) for item in context]
        text, audio = _sum(counts for _, counts in parts)
        cached_text, cached_audio = self._in_cache(parts)
        self._cached = parts
        out_text, out_audio = _sum(map(_counts, output))
        out_text += reasoning_tokens
        thought = {"reasoning_tokens": reasoning_tokens} if reasoning_tokens else {}
        return {
            "total_tokens": text + audio + out_text + out_audio,
            "input_tokens": text + audio,
            "output_tokens": out_text + out_audio,
            "input_token_details": {
                "text_tokens": text,
                "audio_tokens": audio,
                "image_tokens": 0,
                "cached_tokens": cached_text + cached_audio,
                "cached_tokens_details": {
                    "text_tokens": cached_text,
                    "audio_tokens": cached_audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio} | thought,
        }

    def spend(self, tokens: int, now: float) -> None:
        """Count a finished response against the rate limit."""
        self._spent.append((now, tokens))

    def rate_limits(self, now: float) -> list[Json]:
        """`rate_limits` of a `rate_limits.updated`: the tokens that the last minute has left."""
        while self._spent and self._spent[0][0] <= now - 60:
            self._spent.popleft()
        tokens = sum(count for _, count in self._spent)
        return [
            {
                "name": "tokens",
                "limit": TOKENS_PER_MINUTE,
                "remaining": max(0, TOKENS_PER_MINUTE - tokens),
                "reset_seconds": round(60 * tokens / TOKENS_PER_MINUTE, 3),
            }
        ]

    def _in_cache(self, parts: list[tuple[str, Counts]]) -> Counts:
        same: list[Counts] = []
        for before, part in zip(self._cached, parts, strict=False):
            if before != part:
                break
            same.append(part[1])
        text, audio = _sum(same)
        return text // CACHE_BLOCK * CACHE_BLOCK, audio // CACHE_BLOCK * CACHE_BLOCK


def text_tokens(text: str) -> int:
    """Tokens of this text, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def caller_tokens(audio_ms: int) -> int:
    """Tokens of caller audio of this length, rounded up."""
    return -(-audio_ms // CALLER_MS_PER_TOKEN)


def _counts(item: Item) -> Counts:
    words = "".join(str(value) for value in item.fields.values())
    words += "".join(part.get("text") or "" for part in item.content)
    if item.is_spoken:
        # A truncated item has lost its transcript: nothing of it is read again.
        heard = item.transcript if item.truncated_at_ms is None else ""
        return text_tokens(words + heard), -(-item.audio_ms // ASSISTANT_MS_PER_TOKEN)
    return text_tokens(words), caller_tokens(item.audio_ms)


def _sum(counts: Iterable[Counts]) -> Counts:
    text = audio = 0
    for one_text, one_audio in counts:
        text, audio = text + one_text, audio + one_audio
    return text, audio
