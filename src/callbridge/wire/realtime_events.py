"""OpenAI Realtime (GA): the events that we read. The commands stand in `realtime_commands`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
Only fields that something reads are declared; unknown fields and unknown event types are ignored, because
both are added within the year. A field with a default is one that the event can do without: an odd value in
it counts as none (`side_fields`). What is known but of no use to a call stands in `IGNORED` with its reason.
The retired beta protocol (flat session, `response.audio.delta`) is not spoken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias, get_args

import msgspec

from callbridge.wire.errors import UNREADABLE, ProtocolError
from callbridge.wire.side_fields import without_odd_ones

Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=24 * 3_600_000)]
"""A position in the audio of a session, which ends after an hour: what lies outside a day is none."""


class ServerEvent(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    """Base of all events from the model."""


class AudioFormat(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`audio/pcmu` has no `rate`: sending one rejects the whole update (`unknown_parameter`)."""

    type: str


MULAW: Final = AudioFormat("audio/pcmu")


_UNIX_S_MAX: Final = 1e12
"""30,000 years: far above any moment, and safely a float."""


class EchoedInput(msgspec.Struct, frozen=True):
    """What the server says it will take."""

    format: AudioFormat | None = None


class EchoedOutput(msgspec.Struct, frozen=True):
    """What the server says it will send."""

    format: AudioFormat | None = None


class EchoedAudio(msgspec.Struct, frozen=True):
    """Both directions."""

    input: EchoedInput = EchoedInput()
    output: EchoedOutput = EchoedOutput()


class EchoedSession(msgspec.Struct, frozen=True):
    """The effective session, as `session.updated` carries it."""

    audio: EchoedAudio = EchoedAudio()
    expires_at: Any = None
    """Unix seconds. A wrong type must not cost the session: see `ends_at`."""
    instructions: Any = None
    """What the model was told, so that it is seen which update took effect. The same holds of its type."""

    @property
    def ends_at(self) -> float | None:
        """When the server will end it, in unix seconds; None where it does not say so in a number."""
        said = self.expires_at
        return float(said) if type(said) in {int, float} and abs(said) < _UNIX_S_MAX else None

    @property
    def speaks_mulaw(self) -> bool:
        """Whether both directions are µ-law. Anything else is loud static on a telephone."""
        return self.audio.input.format == MULAW and self.audio.output.format == MULAW


class SessionCreated(ServerEvent, tag="session.created", frozen=True, gc=True):
    """The first event. Its session has the server's defaults, which are not ours."""

    session: EchoedSession = EchoedSession()


class SessionUpdated(ServerEvent, tag="session.updated", frozen=True, gc=True):
    """Our whole update was taken."""

    session: EchoedSession


class SpeechStarted(ServerEvent, tag="input_audio_buffer.speech_started", frozen=True):
    """The caller speaks."""

    item_id: str = ""
    audio_start_ms: Milliseconds | None = None
    """Counted over all audio appended in the session, prefix padding included."""


class SpeechStopped(ServerEvent, tag="input_audio_buffer.speech_stopped", frozen=True):
    """The caller stopped, the configured silence included."""

    item_id: str = ""
    audio_end_ms: Milliseconds | None = None


class InputCommitted(ServerEvent, tag="input_audio_buffer.committed", frozen=True):
    """The caller's utterance is an item of the conversation now."""

    item_id: str


class McpError(msgspec.Struct, frozen=True, gc=False):
    """Why a tool of an MCP server has failed."""

    message: str = ""


class Item(msgspec.Struct, frozen=True, gc=False):
    """A conversation item, as far as we look at it."""

    id: str = ""
    type: str = ""
    status: str | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    server_label: str | None = None
    """Of a call of an MCP server's tool, of a list of them, or of a request to approve one."""
    approval_request_id: str | None = None
    output: str | None = None
    error: McpError | None = None


class ItemAdded(ServerEvent, tag="conversation.item.added", frozen=True):
    """An item entered the conversation: the caller's, the model's, or one that we created."""

    item: Item


class ItemCreated(ServerEvent, tag="conversation.item.created", frozen=True):
    """The beta name of `ItemAdded`, which some servers say instead."""

    item: Item


class ItemDone(ServerEvent, tag="conversation.item.done", frozen=True):
    """An item is whole: then it is in the conversation, too."""

    item: Item


ItemKnown: TypeAlias = ItemAdded | ItemCreated | ItemDone
"""Whichever comes first says that the item is in the conversation."""


Tokens: TypeAlias = int | float | None
"""As the server says it. `Usage` makes a count of it."""


class TokenLogprob(msgspec.Struct, frozen=True, gc=False):
    """How probable a piece of a transcript was to the model that wrote it."""

    logprob: float


class TranscriptionUsage(msgspec.Struct, frozen=True, gc=False):
    """What a transcript is billed by: tokens or seconds, apart from the response. Any field may be absent."""

    input_tokens: Tokens = None
    output_tokens: Tokens = None
    seconds: Tokens = None


class CallerTranscript(ServerEvent, tag="conversation.item.input_audio_transcription.completed", frozen=True):
    """What a second model thinks the caller said. May come long after the answer."""

    item_id: str
    transcript: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of its pieces, where the session includes them and the model of the transcripts knows them."""
    usage: TranscriptionUsage | None = None

    @property
    def confidence(self) -> float | None:
        """How sure that model was, from 0 to 1: the mean of its pieces' probabilities, the geometric one."""
        if not self.logprobs:
            return None
        # Odd numbers are no probabilities.
        mean = sum(min(piece.logprob, 0.0) for piece in self.logprobs) / len(self.logprobs)
        return math.exp(mean) if math.isfinite(mean) else 0.0


class CallerTranscriptFailed(
    ServerEvent, tag="conversation.item.input_audio_transcription.failed", frozen=True
):
    """No transcript of this utterance will come."""

    item_id: str


class FailureDetail(msgspec.Struct, frozen=True, gc=False):
    """Why a response failed."""

    code: str | None = None
    message: str | None = None


class StatusDetails(msgspec.Struct, frozen=True, gc=False):
    """Why a response did not complete."""

    reason: str | None = None
    error: FailureDetail | None = None


class CachedTokens(msgspec.Struct, frozen=True, gc=False):
    """What of that was cached, by kind."""

    text_tokens: Tokens = None
    audio_tokens: Tokens = None


class InputTokens(msgspec.Struct, frozen=True, gc=False):
    """What the response read."""

    text_tokens: Tokens = None
    audio_tokens: Tokens = None
    cached_tokens: Tokens = None
    """A part of the others."""
    cached_tokens_details: CachedTokens | None = None


class OutputTokens(msgspec.Struct, frozen=True, gc=False):
    """What the response wrote."""

    text_tokens: Tokens = None
    audio_tokens: Tokens = None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Billed tokens of one response. Any field may be absent."""

    input_tokens: Tokens = None
    output_tokens: Tokens = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


class Response(msgspec.Struct, frozen=True):
    """One response. `status` is in_progress, completed, cancelled, incomplete or failed."""

    id: str
    status: str | None = None
    status_details: StatusDetails | None = None
    usage: Usage | None = None
    metadata: Any = None
    """What we gave to `response.create`, if the server gives it back."""


class ResponseCreated(ServerEvent, tag="response.created", frozen=True, gc=True):
    """The model begins to answer."""

    response: Response


class ResponseDone(ServerEvent, tag="response.done", frozen=True, gc=True):
    """The only reliable end of a response. A failed one says so here and nowhere else."""

    response: Response


class OutputItemAdded(ServerEvent, tag="response.output_item.added", frozen=True):
    """A response begins an item; one response may have several."""

    response_id: str
    item: Item


class OutputItemDone(ServerEvent, tag="response.output_item.done", frozen=True):
    """An item is whole. A `function_call` with status `completed` is acted upon here."""

    item: Item
    response_id: str = ""


class AudioDelta(ServerEvent, tag="response.output_audio.delta", frozen=True):
    """Agent audio, faster than real time, in pieces of any size."""

    response_id: str
    item_id: str
    delta: bytes
    """µ-law, base64 on the wire."""
    content_index: Annotated[int, msgspec.Meta(ge=0, le=999)] = 0
    """Which part of the item this is. To truncate the item is to truncate this part."""


class AudioDone(ServerEvent, tag="response.output_audio.done", frozen=True):
    """All audio of an item was sent, or the item was interrupted."""

    response_id: str
    item_id: str = ""


class AgentTranscript(ServerEvent, tag="response.output_audio_transcript.done", frozen=True):
    """What the agent says in an item, whole, whether or not it will be heard."""

    item_id: str
    transcript: str | None = None


class McpArgumentsDone(ServerEvent, tag="response.mcp_call_arguments.done", frozen=True):
    """The model has asked for a tool of an MCP server; the vendor runs it."""

    item_id: str
    arguments: str = "{}"


class McpCallCompleted(ServerEvent, tag="response.mcp_call.completed", frozen=True):
    """It has answered. No response follows by itself; what it has answered stands in the item."""

    item_id: str


class McpCallFailed(ServerEvent, tag="response.mcp_call.failed", frozen=True):
    """It has failed: the same."""

    item_id: str


class McpListFailed(ServerEvent, tag="mcp_list_tools.failed", frozen=True):
    """A server does not say which tools it has: the session has none of it."""

    item_id: str = ""


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """One limit of the account."""

    name: str = ""
    remaining: float | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(ServerEvent, tag="rate_limits.updated", frozen=True):
    """What is left of the account's limits; once per response."""

    rate_limits: tuple[RateLimit, ...] = ()


class ErrorDetail(msgspec.Struct, frozen=True, gc=False):
    """What the server says was wrong."""

    type: str = ""
    code: str | None = None
    message: str = ""
    param: str | None = None
    event_id: str | None = None
    """The `event_id` of our command, where the error answers one."""


class ErrorEvent(ServerEvent, tag="error", frozen=True):
    """Most errors leave the session open."""

    error: ErrorDetail


class AnswerDelta(ServerEvent, tag="response.output_audio_transcript.delta", frozen=True):
    """A piece of the agent's words. A flood that decides nothing, noted in case the rest never comes."""

    item_id: str = ""
    delta: str = ""
    response_id: str = ""


class CallerDelta(ServerEvent, tag="conversation.item.input_audio_transcription.delta", frozen=True):
    """A piece of the caller's words, for who follows a call live. The whole transcript follows it."""

    item_id: str = ""
    delta: str = ""


class UnknownEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that we do not read: a type in `IGNORED`, or one newer than this code."""

    type: str

    @property
    def is_expected(self) -> bool:
        """Whether the type is known and left alone on purpose."""
        return self.type in IGNORED


IGNORED: Final[dict[str, str]] = {
    "conversation.created": "the conversation's id is of no use to a call",
    "conversation.item.truncated": "confirms a command of ours",
    "conversation.item.deleted": "confirms a command of ours",
    "conversation.item.retrieved": "answers a command that we never send",
    "conversation.item.input_audio_transcription.segment": "speaker labels; a call has one caller",
    "input_audio_buffer.cleared": "answers a command that we never send",
    "input_audio_buffer.dtmf_event_received": "SIP only; keys come from Twilio's dtmf message",
    "input_audio_buffer.timeout_triggered": "the idle timeout is never switched on: the server does not "
    "know what the phone still has to play",
    "response.content_part.added": "each piece of audio says which part of its item it is",
    "response.content_part.done": "an item's audio says the same",
    "response.output_text.delta": "text output is never asked for",
    "response.output_text.done": "text output is never asked for",
    "response.function_call_arguments.delta": "the whole call follows with its item",
    "response.function_call_arguments.done": "also sent for interrupted calls; the item's status decides",
    "response.mcp_call_arguments.delta": "the whole of them follows",
    "response.mcp_call.in_progress": "the arguments say that it begins",
    "mcp_list_tools.in_progress": "what comes of it follows",
    "mcp_list_tools.completed": "the session has the tools; only that it has not must be told",
    "output_audio_buffer.started": "WebRTC and SIP only; here the phone's marks tell",
    "output_audio_buffer.stopped": "WebRTC and SIP only; here the phone's marks tell",
    "output_audio_buffer.cleared": "WebRTC and SIP only; here we clear the phone ourselves",
}
"""Published event types that a call has no use for, each with the reason."""

Event: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | InputCommitted
    | ItemAdded
    | ItemCreated
    | ItemDone
    | CallerTranscript
    | CallerTranscriptFailed
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | AudioDelta
    | AudioDone
    | AgentTranscript
    | McpArgumentsDone
    | McpCallCompleted
    | McpCallFailed
    | McpListFailed
    | AnswerDelta
    | CallerDelta
    | RateLimitsUpdated
    | ErrorEvent
)
Parsed: TypeAlias = Event | UnknownEvent


class _Envelope(msgspec.Struct, gc=False):
    type: str


decode: Final[Callable[[str | bytes | msgspec.Raw], Event]] = msgspec.json.Decoder(Event).decode
"""`parse` for the flood of deltas: raises one of `UNREADABLE` for all that is not an event of ours."""
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
PARSED: Final[Mapping[str, type[Event]]] = {
    member.__struct_config__.tag: member for member in get_args(Event)
}
"""The event types that `parse` turns into values of their own."""


def parse(text: str | bytes) -> Parsed:
    """The event in `text`.

    Raises:
        ProtocolError: it is not JSON, or a known type in which a needed field is missing or wrongly typed.
    """
    try:
        return decode(text)  # The common case: one pass, no look at the type.
    except UNREADABLE:
        return _parse_odd(text)


def _parse_odd(text: str | bytes) -> Parsed:
    try:
        event_type = _decode_envelope(text).type
    except UNREADABLE as error:
        raise ProtocolError("not a JSON object with a `type`") from error
    if event_type not in PARSED:
        return UnknownEvent(event_type)
    try:
        return decode(without_odd_ones(text, PARSED[event_type]))
    except UNREADABLE as error:
        raise ProtocolError(f"`{event_type}`: {error}") from error
