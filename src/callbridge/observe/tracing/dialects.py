"""Words as the conventions write them, and the attributes that two products want besides. Pure.

Langfuse multiplies each number of `usage_details` by a price and adds up, so what was cached must not be
counted in the input again: `input_text_tokens` is what was *not* cached. It takes a cost that is told as it
is. https://langfuse.com/docs/model-usage-and-cost

Phoenix multiplies each of the details by its price, and what the details leave of prompt and completion by
those of input and output; so the details must not overlap: audio is what was *not* cached. It makes its own
cost. https://arize.com/docs/phoenix/tracing/how-to-tracing/cost-tracking
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.observe.tracing import names
from callbridge.observe.tracing.spans import Words

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.observe.tracing.spans import Attributes, Span, Value


class Dialect(StrEnum):
    """A product whose own names stand beside those of the conventions."""

    LANGFUSE = "langfuse"
    PHOENIX = "phoenix"


_INPUT: Final = (names.INPUT_MESSAGES, names.TOOL_ARGUMENTS)
_OUTPUT: Final = (names.OUTPUT_MESSAGES, names.TOOL_RESULT)

_LANGFUSE_TYPES: Final = {
    names.INVOKE_AGENT: "agent",
    names.CHAT: "generation",
    names.TRANSCRIBE: "generation",
    names.EXECUTE_TOOL: "tool",
}
_OI_KINDS: Final = {
    names.INVOKE_AGENT: "AGENT",
    names.CHAT: "LLM",
    names.TRANSCRIBE: "LLM",
    names.EXECUTE_TOOL: "TOOL",
}


def spoken_for(span: Span, dialects: Collection[Dialect]) -> Span:
    """The span with the attributes that these products read, beside those of the conventions."""
    told: dict[str, Value] = {name: _written(value) for name, value in span.attributes.items()}
    if Dialect.LANGFUSE in dialects:
        told |= _langfuse(span.attributes)
    if Dialect.PHOENIX in dialects:
        told |= _phoenix(span.attributes)
    return replace(span, attributes=told)


def _written(value: Value) -> Value:
    """What was said in the conversation is JSON in the conventions, as it would be of a chat."""
    if not isinstance(value, Words):
        return value
    if not value.role:
        return value.text
    message = {"role": value.role, "parts": [{"type": "text", "content": value.text}]}
    return msgspec.json.encode([message]).decode()


def _words(attributes: Attributes, among: Collection[str]) -> str | None:
    said = (attributes.get(name) for name in among)
    return next((words.text for words in said if isinstance(words, Words)), None)


def _count(attributes: Attributes, name: str) -> int:
    value = attributes.get(name, 0)
    return value if isinstance(value, int) else 0


def _without_nothing(told: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in told.items() if value is not None}


# --- Langfuse -----------------------------------------------------------------------------------------------


def _langfuse(told: Attributes) -> dict[str, Value]:
    cost = told.get(names.COST_USD)
    return _without_nothing(
        {
            names.LANGFUSE_TYPE: _LANGFUSE_TYPES.get(str(told.get(names.OPERATION)), "span"),
            names.LANGFUSE_SESSION: told.get(names.CONVERSATION),
            names.LANGFUSE_TRACE: told.get(names.AGENT),
            names.LANGFUSE_MODEL: told.get(names.REQUEST_MODEL),
            names.LANGFUSE_USAGE: _json(_langfuse_usage(told)),
            names.LANGFUSE_COST: None if cost is None else _json({"total": cost}),
            names.LANGFUSE_INPUT: _words(told, _INPUT),
            names.LANGFUSE_OUTPUT: _words(told, _OUTPUT),
        }
    )


def _langfuse_usage(told: Attributes) -> dict[str, int]:
    """By the names of Langfuse's own price lists for such models. None counts what another one counts."""
    if names.INPUT_TOKENS not in told:
        return {}
    if names.TEXT_INPUT_TOKENS not in told:
        return {"input": _count(told, names.INPUT_TOKENS), "output": _count(told, names.OUTPUT_TOKENS)}
    text_cached, audio_cached = (
        _count(told, name) for name in (names.TEXT_CACHED_TOKENS, names.AUDIO_CACHED_TOKENS)
    )
    return {
        "input_text_tokens": _count(told, names.TEXT_INPUT_TOKENS) - text_cached,
        "input_cached_text_tokens": text_cached,
        "input_audio_tokens": _count(told, names.AUDIO_INPUT_TOKENS) - audio_cached,
        "input_cached_audio_tokens": audio_cached,
        "output_text_tokens": _count(told, names.TEXT_OUTPUT_TOKENS),
        "output_audio_tokens": _count(told, names.AUDIO_OUTPUT_TOKENS),
    }


def _json(value: dict[str, int] | dict[str, Value]) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


# --- Phoenix ------------------------------------------------------------------------------------------------


def _phoenix(told: Attributes) -> dict[str, Value]:
    return _without_nothing(
        {
            names.OI_KIND: _OI_KINDS.get(str(told.get(names.OPERATION)), "CHAIN"),
            names.OI_SESSION: told.get(names.CONVERSATION),
            names.OI_MODEL: told.get(names.REQUEST_MODEL),
            names.OI_PROVIDER: told.get(names.PROVIDER),
            names.OI_TOOL: told.get(names.TOOL_NAME),
            names.OI_COST: told.get(names.COST_USD),
            names.OI_INPUT: _words(told, _INPUT),
            names.OI_OUTPUT: _words(told, _OUTPUT),
        }
    ) | _phoenix_usage(told)


def _phoenix_usage(told: Attributes) -> dict[str, Value]:
    if names.INPUT_TOKENS not in told:
        return {}
    prompt, completion = _count(told, names.INPUT_TOKENS), _count(told, names.OUTPUT_TOKENS)
    audio = _count(told, names.AUDIO_INPUT_TOKENS) - _count(told, names.AUDIO_CACHED_TOKENS)
    return {
        names.OI_PROMPT: prompt,
        names.OI_COMPLETION: completion,
        names.OI_TOTAL: prompt + completion,
        names.OI_PROMPT_CACHED: _count(told, names.CACHED_TOKENS),
        names.OI_PROMPT_AUDIO: audio,
        names.OI_COMPLETION_AUDIO: _count(told, names.AUDIO_OUTPUT_TOKENS),
    }
