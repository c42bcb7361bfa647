"""OpenAI Realtime (GA): the commands that we send. The events stand in `realtime_events`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
The server is strict: one unknown field rejects a whole command, so only fields that are meant are declared.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from callbridge.wire.realtime_events import AudioFormat


class Command(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    """Base of all that we send. `event_id` comes back in the error that answers a command."""

    event_id: str | None = None


class ServerVad(msgspec.Struct, frozen=True, tag_field="type", tag="server_vad"):
    """Turn detection by loudness. Every field is sent: schema and server disagree on the defaults."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: None = None


class SemanticVad(msgspec.Struct, frozen=True, tag_field="type", tag="semantic_vad"):
    """Turn detection by meaning."""

    eagerness: Literal["low", "medium", "high", "auto"]
    create_response: bool = True
    interrupt_response: bool = True


class Transcription(msgspec.Struct, frozen=True, omit_defaults=True):
    """The second model that writes down what the caller says."""

    model: str
    language: str | None = None
    prompt: str | None = None


class NoiseReduction(msgspec.Struct, frozen=True):
    """Filtering before turn detection and model."""

    type: Literal["near_field", "far_field"]


class AudioInput(msgspec.Struct, frozen=True):
    """Caller audio. Null switches transcription or noise reduction off."""

    format: AudioFormat
    turn_detection: ServerVad | SemanticVad
    transcription: Transcription | None
    noise_reduction: NoiseReduction | None


class AudioOutput(msgspec.Struct, frozen=True):
    """Agent audio."""

    format: AudioFormat
    voice: str


class Audio(msgspec.Struct, frozen=True):
    """Both directions, always sent together: an update without formats has been seen to reset them."""

    input: AudioInput
    output: AudioOutput


class FunctionTool(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """A function that the model may ask for. `parameters` is JSON Schema."""

    name: str
    description: str
    parameters: dict[str, object]


class McpTool(msgspec.Struct, frozen=True, tag_field="type", tag="mcp", omit_defaults=True):
    """An MCP server whose tools the model's side runs by itself.

    Vendor page: https://developers.openai.com/api/docs/guides/realtime-mcp
    """

    server_label: str
    server_url: str
    require_approval: Literal["always", "never"]
    """Always sent: by default each call waits for an approval."""
    server_description: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """What the session calls it."""
        return self.server_label

    def __repr__(self) -> str:
        """Without what nobody may see."""
        return f"McpTool({self.server_label!r})"


SessionTool: TypeAlias = FunctionTool | McpTool
"""What a session has."""


class Reasoning(msgspec.Struct, frozen=True):
    """How long a reasoning model thinks. Refused by the models that do not reason."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


class TokenLimits(msgspec.Struct, frozen=True):
    """A bound on the conversation that each response reads again."""

    post_instructions: int


class RetentionRatio(
    msgspec.Struct, frozen=True, tag_field="type", tag="retention_ratio", omit_defaults=True
):
    """Drop the oldest part of a long conversation in large steps, so that the prompt cache stays warm."""

    retention_ratio: float
    token_limits: TokenLimits | None = None


class Session(msgspec.Struct, frozen=True, tag_field="type", tag="realtime", omit_defaults=True):
    """A whole configuration. `type` is required in every update."""

    instructions: str
    audio: Audio
    tools: tuple[SessionTool, ...]
    tool_choice: Literal["auto", "none"]
    output_modalities: tuple[Literal["audio"]]
    max_output_tokens: int | Literal["inf"] | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None
    reasoning: Reasoning | None = None
    include: tuple[Literal["item.input_audio_transcription.logprobs"], ...] | None = None
    """What the server tells beside the usual."""


class CommitInput(Command, tag="input_audio_buffer.commit", frozen=True):
    """Makes an item of what was appended since the last one: the caller's turn is over."""


class UpdateSession(Command, tag="session.update", frozen=True):
    """All or nothing: one bad field rejects the whole update."""

    session: Session


class AppendAudio(Command, tag="input_audio_buffer.append", frozen=True):
    """Caller audio, base64 on the wire. Never acknowledged."""

    audio: bytes


class InputText(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    """Words that were not spoken."""

    text: str


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """Words of the agent. Its audio cannot be given back to it (`output_audio` is refused)."""

    text: str


class Message(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """A message of the caller, of the system, or of the agent: the last has `OutputText`, the others not."""

    id: str
    role: Literal["user", "system", "assistant"]
    content: tuple[InputText | OutputText, ...]


class FunctionCall(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call that the agent made in an earlier session; its output follows under the same `call_id`."""

    id: str
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(msgspec.Struct, frozen=True, tag_field="type", tag="function_call_output"):
    """What a tool answered, usually JSON text."""

    id: str
    call_id: str
    output: str


class McpApproval(
    msgspec.Struct, frozen=True, tag_field="type", tag="mcp_approval_response", omit_defaults=True
):
    """Whether a tool of an MCP server may be run, as the server has asked."""

    id: str
    approval_request_id: str
    approve: bool
    reason: str | None = None


AnyItem: TypeAlias = Message | FunctionCall | FunctionCallOutput | McpApproval


class CreateItem(Command, tag="conversation.item.create", frozen=True):
    """Adds an item at the end of the conversation. Its `id` is ours and must be new."""

    item: AnyItem


class TruncateItem(Command, tag="conversation.item.truncate", frozen=True):
    """Cuts an item's audio to what was heard and drops the server's transcript of the whole item."""

    item_id: str
    audio_end_ms: int
    """More than the item's length, or 0, is refused."""
    content_index: int


class DeleteItem(Command, tag="conversation.item.delete", frozen=True):
    """Removes an item of which nothing was heard."""

    item_id: str


class ResponseOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What differs from the session for one response."""

    instructions: str | None = None
    tool_choice: Literal["auto", "none"] | None = None
    metadata: dict[str, str] | None = None
    """At most 16 pairs, which the response carries back."""


ASK_ID: Final = "callbridge_ask"
"""The key in the metadata of a response that tells which of our asks it answers."""


class CreateResponse(Command, tag="response.create", frozen=True):
    """Asks the model to speak. Refused while a response is active."""

    response: ResponseOptions | None = None


class CancelResponse(Command, tag="response.cancel", frozen=True):
    """Stops a response that the server would not stop by itself."""

    response_id: str | None = None


AnyCommand: TypeAlias = (
    UpdateSession
    | AppendAudio
    | CommitInput
    | CreateItem
    | TruncateItem
    | DeleteItem
    | CreateResponse
    | CancelResponse
)

_encode: Final = msgspec.json.Encoder().encode


def encode(command: AnyCommand) -> bytes:
    """`command` as the UTF-8 text of one frame."""
    return _encode(command)


_APPEND, _, _END = encode(AppendAudio(audio=b"")).rpartition(b'""')


def encode_append(audio: bytes) -> bytes:
    """`encode` for `AppendAudio`, at half the price: only the audio is new in every command."""
    return _APPEND + _encode(audio) + _END
