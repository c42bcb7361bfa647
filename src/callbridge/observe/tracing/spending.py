"""What a span was billed for, as attributes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.observe.tracing import names

if TYPE_CHECKING:
    from callbridge.call.bill_facts import Billed
    from callbridge.call.usage import Usage
    from callbridge.observe.tracing.spans import Value

_DOLLAR = 1_000_000


def billed(bill: Billed | None) -> dict[str, Value]:
    """Tokens by kind, and the cost; nothing where nothing was billed. No cost where no price is known."""
    if bill is None or bill.used is None:
        return {}
    is_response = bill.what == "response"
    found = _response(bill.used) if is_response else _transcript(bill.used)
    if bill.cost_microdollars:
        found[names.COST_USD] = bill.cost_microdollars / _DOLLAR
    return found


def _response(used: Usage) -> dict[str, Value]:
    text_cached, audio_cached = used.input_cached
    return {
        names.INPUT_TOKENS: used.input_tokens,
        names.OUTPUT_TOKENS: used.output_tokens,
        names.CACHED_TOKENS: text_cached + audio_cached,
        names.TEXT_INPUT_TOKENS: used.input_text_tokens,
        names.AUDIO_INPUT_TOKENS: used.input_tokens - used.input_text_tokens,
        names.TEXT_CACHED_TOKENS: text_cached,
        names.AUDIO_CACHED_TOKENS: audio_cached,
        names.TEXT_OUTPUT_TOKENS: used.output_text_tokens,
        names.AUDIO_OUTPUT_TOKENS: used.output_tokens - used.output_text_tokens,
    }


def _transcript(used: Usage) -> dict[str, Value]:
    """Its input is audio. Where time is billed, the time is told."""
    found: dict[str, Value] = {}
    if used.transcription_input_tokens or used.transcription_output_tokens:
        found[names.INPUT_TOKENS] = used.transcription_input_tokens
        found[names.OUTPUT_TOKENS] = used.transcription_output_tokens
    if used.transcription_ms:
        found[f"{names.OURS}transcribed_ms"] = used.transcription_ms
    return found
