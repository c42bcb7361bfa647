"""The client events of the Realtime GA API: which there are and what each must look like.

https://developers.openai.com/api/docs/guides/realtime-conversations and the schema in PyPI `openai`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from callbridge.simulators.voice_model.schema import (
    ClientError,
    Json,
    anything,
    choice,
    flag,
    listing,
    mapping,
    missing,
    nullable,
    record,
    tagged,
    text,
    too_long,
    whole,
)
from callbridge.simulators.voice_model.session_schema import (
    FORMAT,
    FUNCTION_NAME,
    MAX_OUTPUT_TOKENS,
    MODALITIES,
    PROMPT,
    REASONING,
    TOOL_CHOICE,
    TOOLS,
    VOICE,
)

APPEND_LONGEST = 15 * 1024 * 1024
"""Characters of base64 in one append: 15 MiB."""

ID_LONGEST = 32
"""Characters of an item's id or a call's id."""


def parse(message: str | bytes) -> Json:
    """The JSON object in a message, nothing in it checked yet.

    Raises:
        ClientError: binary, not JSON, or not an object.
    """
    if isinstance(message, bytes):
        raise ClientError(
            "invalid_event", "Expected a text WebSocket message; binary frames are not supported."
        )
    try:
        event = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ClientError("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from error
    if not isinstance(event, dict):
        raise ClientError("invalid_event", "Invalid event: expected a JSON object.")
    return event


class _Append(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["input_audio_buffer.append"]
    audio: str
    event_id: str | None = None


_APPENDS = msgspec.json.Decoder(_Append)


def appended(message: str | bytes) -> str | None:
    """The base64 in a faultless append: the one event that comes fifty times a second, read in one go.

    None for everything else, and for every append with something wrong: that is what the other way is for.
    """
    if isinstance(message, bytes) or '"input_audio_buffer.append"' not in message:
        return None
    try:
        audio = _APPENDS.decode(message).audio
    except (msgspec.DecodeError, UnicodeError):
        return None
    return audio if len(audio) <= APPEND_LONGEST else None


def kind_of(event: Json) -> str:
    """The type of an event. ClientError when it is none that a client may send."""
    if "type" not in event:
        raise missing("type")
    return str(_KIND(event["type"], "type"))


def check(event: Json) -> Json:
    """The event, of a known type, when its fields are what they must be.

    Raises:
        ClientError: something in it is wrong.
    """
    checked: Json = _CHECKS[event["type"]](event, "")
    return checked


# --- Items ------------------------------------------------------------------------------------

_ID = text(longest=ID_LONGEST)

_ITEM_FIELDS = {
    "type": anything,
    "id": nullable(_ID),
    "object": choice("realtime.item"),
    "status": choice("completed", "incomplete", "in_progress"),
}

_INPUT_TEXT = record({"type": anything, "text": text()}, required=("text",))
_OUTPUT_TEXT = record({"type": anything, "text": text()}, required=("text",))

_INPUT_AUDIO = record(
    {"type": anything, "audio": text(), "transcript": nullable(text())}, required=("audio",)
)

_INPUT_IMAGE = record(
    {"type": anything, "image_url": text(), "detail": choice("auto", "low", "high")},
    required=("image_url",),
)


def _message(contents: dict[str, Any]) -> Any:
    fields = {**_ITEM_FIELDS, "role": anything, "content": listing(tagged("type", contents))}
    return record(fields, required=("content",))


_MESSAGE = tagged(
    "role",
    {
        "system": _message({"input_text": _INPUT_TEXT}),
        "user": _message(
            {
                "input_text": _INPUT_TEXT,
                "input_audio": _INPUT_AUDIO,
                "input_image": _INPUT_IMAGE,
            }
        ),
        # `output_audio` exists in the type, but a client cannot put audio into the model's mouth.
        "assistant": _message({"output_text": _OUTPUT_TEXT}),
    },
)

_ITEM_TYPES = {
    "message": _MESSAGE,
    "function_call": record(
        {**_ITEM_FIELDS, "name": FUNCTION_NAME, "arguments": text(), "call_id": nullable(_ID)},
        required=("name", "arguments"),
    ),
    "function_call_output": record(
        {**_ITEM_FIELDS, "call_id": _ID, "output": text()}, required=("call_id", "output")
    ),
    "mcp_approval_response": record(
        {
            **_ITEM_FIELDS,
            "approval_request_id": text(),
            "approve": flag,
            "reason": nullable(text()),
        },
        required=("approval_request_id", "approve"),
    ),
}

_ITEM = tagged("type", _ITEM_TYPES)

_INPUT = tagged(
    "type",
    {**_ITEM_TYPES, "item_reference": record({"type": anything, "id": text()}, required=("id",))},
)

# --- Events -----------------------------------------------------------------------------------


def _audio(value: Any, path: str) -> str:
    audio: str = text()(value, path)
    if len(audio) > APPEND_LONGEST:
        raise too_long(path, APPEND_LONGEST, len(audio))
    return audio


_RESPONSE = record(
    {
        "conversation": choice("auto", "none"),
        "input": listing(_INPUT),
        "instructions": text(),
        "output_modalities": MODALITIES,
        "audio": record({"output": record({"format": FORMAT, "voice": VOICE})}),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": REASONING,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "metadata": nullable(mapping(text(longest=512), longest_key=64, most=16)),
        "prompt": PROMPT,
    }
)


def _event(required: tuple[str, ...] = (), **fields: Any) -> Any:
    return record({"type": anything, "event_id": nullable(text()), **fields}, required)


_CHECKS = {
    # What a session may be is `SessionConfig`'s to say.
    "session.update": _event(("session",), session=anything),
    # These two are named where the API lists what it takes; they belong to sessions that translate.
    "session.close": _event(),
    "session.input_audio_buffer.append": _event(("audio",), audio=_audio),
    "input_audio_buffer.append": _event(("audio",), audio=_audio),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event(("item",), item=_ITEM, previous_item_id=nullable(text())),
    "conversation.item.truncate": _event(
        ("item_id", "content_index", "audio_end_ms"),
        item_id=text(),
        content_index=whole(0),
        audio_end_ms=whole(0),
    ),
    "conversation.item.delete": _event(("item_id",), item_id=text()),
    "conversation.item.retrieve": _event(("item_id",), item_id=text()),
    "response.create": _event(response=nullable(_RESPONSE)),
    "response.cancel": _event(response_id=nullable(text())),
    # `output_audio_buffer.clear` is for WebRTC and SIP: on a WebSocket it is an unknown type.
}

_KIND = choice(*_CHECKS)
