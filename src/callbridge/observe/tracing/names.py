"""What attributes of spans are called: OpenTelemetry's names, those of two products, and ours.

https://github.com/open-telemetry/semantic-conventions-genai (status: development)
https://langfuse.com/integrations/native/opentelemetry
https://arize-ai.github.io/openinference/spec/attributes/semantic-conventions.html
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "callbridge"
"""Under this name spans are made."""

# --- OpenTelemetry: generative AI ---------------------------------------------------------------------------

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
OUTPUT_TYPE: Final = "gen_ai.output.type"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"

INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
"""All of them, what was cached included; so is that of the output."""
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
"""A part of the input, as the following are parts of input and output."""
TEXT_INPUT_TOKENS: Final = "gen_ai.usage.text.input_tokens"
AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
TEXT_CACHED_TOKENS: Final = "gen_ai.usage.text.cache_read.input_tokens"
AUDIO_CACHED_TOKENS: Final = "gen_ai.usage.audio.cache_read.input_tokens"
TEXT_OUTPUT_TOKENS: Final = "gen_ai.usage.text.output_tokens"
AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"

ERROR_TYPE: Final = "error.type"
STACK: Final = "code.stacktrace"

INVOKE_AGENT: Final = "invoke_agent"
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
TRANSCRIBE: Final = "transcribe"
"""No operation of the conventions, which allow others."""

OPENAI: Final = "openai"
SPEECH: Final = "speech"

# --- Ours ---------------------------------------------------------------------------------------------------

STREAM: Final = "callbridge.stream_sid"
TURN: Final = "callbridge.turn"
COST_USD: Final = "callbridge.cost_usd"
"""What the span was billed for. The sum over the spans of a call is its bill."""
FIRST_AUDIO_MS: Final = "callbridge.first_audio_ms"
"""From the caller's end of speech to the first audio sent to the phone."""
FIRST_HEARD_MS: Final = "callbridge.first_heard_ms"
"""The same, to the first audio heard."""
HEARD_MS: Final = "callbridge.heard_ms"
"""How much of an answer was heard before the caller interrupted it."""
UNHEARD_MS: Final = "callbridge.unheard_ms"
HEARD_ITEMS: Final = "callbridge.heard.item_ids"
HEARD_ITEMS_MS: Final = "callbridge.heard.item_ms"
DELETED_ITEMS: Final = "callbridge.deleted.item_ids"
OURS: Final = "callbridge."
"""What the names of all others begin with: they are those of fields of facts."""

# --- Langfuse -----------------------------------------------------------------------------------------------

LANGFUSE_TYPE: Final = "langfuse.observation.type"
LANGFUSE_MODEL: Final = "langfuse.observation.model.name"
LANGFUSE_USAGE: Final = "langfuse.observation.usage_details"
LANGFUSE_COST: Final = "langfuse.observation.cost_details"
LANGFUSE_INPUT: Final = "langfuse.observation.input"
LANGFUSE_OUTPUT: Final = "langfuse.observation.output"
LANGFUSE_TRACE: Final = "langfuse.trace.name"
LANGFUSE_SESSION: Final = "session.id"

# --- OpenInference: Phoenix ---------------------------------------------------------------------------------

OI_KIND: Final = "openinference.span.kind"
OI_SESSION: Final = "session.id"
OI_MODEL: Final = "llm.model_name"
OI_PROVIDER: Final = "llm.provider"
OI_PROMPT: Final = "llm.token_count.prompt"
OI_PROMPT_AUDIO: Final = "llm.token_count.prompt_details.audio"
OI_PROMPT_CACHED: Final = "llm.token_count.prompt_details.cache_read"
OI_COMPLETION: Final = "llm.token_count.completion"
OI_COMPLETION_AUDIO: Final = "llm.token_count.completion_details.audio"
OI_TOTAL: Final = "llm.token_count.total"
OI_COST: Final = "llm.cost.total"
OI_INPUT: Final = "input.value"
OI_OUTPUT: Final = "output.value"
OI_TOOL: Final = "tool.name"
