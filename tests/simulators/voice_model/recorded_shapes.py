"""The shapes of server events as recorded sessions of the Realtime API show them (July to September 2026).

Noted by hand: names of fields and their JSON types, nothing of what was said. In a shape a text names types,
`|` between them; a list has members of one shape; a tuple is one shape or another; a field with `?` may be
absent. Formats other than PCM have no `rate`, which no recording shows.
"""

from __future__ import annotations

from typing import Any

Shape = Any

_ITEM_HEAD = {"id": "text", "type": "text", "status": "text"}
_CALL = _ITEM_HEAD | {"name": "text", "call_id": "text", "arguments": "text"}
_CALL_OUTPUT = {"id": "text", "type": "text", "call_id": "text", "output": "text"}


def _message(*parts: Shape) -> Shape:
    return _ITEM_HEAD | {"role": "text", "content": [parts], "phase?": "text"}


_WRITTEN = {"type": "text", "text": "text"}
_SPOKEN = {"type": "text", "transcript": "text"}
_HEARD = {"type": "text", "transcript": "null"}
_OUTPUT_ITEM = (_message(_WRITTEN, _SPOKEN), _CALL)

_FORMAT = {"type": "text", "rate?": "whole"}
_SESSION = {
    "type": "text",
    "object": "text",
    "id": "text",
    "model": "text",
    "output_modalities": ["text"],
    "instructions": "text",
    "tools": [{"type": "text", "name": "text", "description": "text", "parameters": "object"}],
    "tool_choice": "text",
    "max_output_tokens": "text",
    "tracing": "null",
    "truncation": "text",
    "prompt": "null",
    "expires_at": "whole",
    "audio": {
        "input": {
            "format": _FORMAT,
            "transcription": ("null", {"model": "text", "language": "null", "prompt": "null"}),
            "noise_reduction": "null",
            "turn_detection": {
                "type": "text",
                "threshold": "number",
                "prefix_padding_ms": "whole",
                "silence_duration_ms": "whole",
                "idle_timeout_ms": "null",
                "create_response": "flag",
                "interrupt_response": "flag",
            },
        },
        "output": {"format": _FORMAT, "voice": "text", "speed": "number"},
    },
    "include": "null",
}

_COUNTS = {"text_tokens": "whole", "audio_tokens": "whole"}
_CACHED = _COUNTS | {"image_tokens": "whole"}
_USAGE = {
    "total_tokens": "whole",
    "input_tokens": "whole",
    "output_tokens": "whole",
    "input_token_details": _CACHED | {"cached_tokens": "whole", "cached_tokens_details": _CACHED},
    "output_token_details": _COUNTS | {"reasoning_tokens?": "whole"},
}


def _response(*, usage: Shape) -> Shape:
    return {
        "response": {
            "object": "text",
            "id": "text",
            "status": "text",
            "status_details": "null",
            "output": [_OUTPUT_ITEM],
            "conversation_id": "text",
            "output_modalities": ["text"],
            "max_output_tokens": "text",
            "audio": {"output": {"format": _FORMAT, "voice": "text"}},
            "usage": usage,
            "metadata": "null",
        }
    }


_PLACE = {"response_id": "text", "item_id": "text", "output_index": "whole"}
_PART_PLACE = _PLACE | {"content_index": "whole"}
_WORDS = {"delta": "text", "obfuscation": "text"}
_HEARD_PLACE = {"item_id": "text", "content_index": "whole"}
_SECONDS = {"type": "text", "seconds": "whole"}
_TOKENS = {
    "type": "text",
    "total_tokens": "whole",
    "input_tokens": "whole",
    "input_token_details": _COUNTS,
    "output_tokens": "whole",
}
_FAILURE = {"type": "text", "code": "text", "message": "text", "param": "null"}
_LIMIT = {"name": "text", "limit": "whole", "remaining": "whole", "reset_seconds": "number"}

_SHAPES: dict[str, Shape] = {
    "session.created": {"session": _SESSION},
    "session.updated": {"session": _SESSION},
    "input_audio_buffer.speech_started": {"audio_start_ms": "whole", "item_id": "text"},
    "input_audio_buffer.speech_stopped": {"audio_end_ms": "whole", "item_id": "text"},
    "input_audio_buffer.committed": {"previous_item_id": "text|null", "item_id": "text"},
    **{
        f"conversation.item.{step}": {
            "previous_item_id": "text|null",
            "item": (_message(_WRITTEN, _SPOKEN, _HEARD), _CALL, _CALL_OUTPUT),
        }
        for step in ("added", "done")
    },
    "conversation.item.input_audio_transcription.delta": _HEARD_PLACE | _WORDS,
    "conversation.item.input_audio_transcription.completed": _HEARD_PLACE
    | {"transcript": "text", "usage": (_SECONDS, _TOKENS)},
    "conversation.item.input_audio_transcription.failed": _HEARD_PLACE | {"error": _FAILURE},
    "response.created": _response(usage="null"),
    "response.done": _response(usage=_USAGE),
    **{
        f"response.output_item.{step}": {
            "response_id": "text",
            "output_index": "whole",
            "item": _OUTPUT_ITEM,
        }
        for step in ("added", "done")
    },
    **{
        f"response.content_part.{step}": _PART_PLACE | {"part": (_WRITTEN, _SPOKEN)}
        for step in ("added", "done")
    },
    "response.output_audio.delta": _PART_PLACE | {"delta": "text"},
    "response.output_audio.done": _PART_PLACE,
    "response.output_audio_transcript.delta": _PART_PLACE | _WORDS,
    "response.output_audio_transcript.done": _PART_PLACE | {"transcript": "text"},
    "response.output_text.delta": _PART_PLACE | _WORDS,
    "response.output_text.done": _PART_PLACE | {"text": "text"},
    "response.function_call_arguments.delta": _PLACE | {"call_id": "text"} | _WORDS,
    "response.function_call_arguments.done": _PLACE
    | {"call_id": "text", "name": "text", "arguments": "text"},
    "rate_limits.updated": {"rate_limits": [_LIMIT]},
}

SHAPES = {kind: {"type": "text", "event_id": "text"} | shape for kind, shape in _SHAPES.items()}
"""By event type, the whole event."""


def differences(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Where a value is not of its shape: fields that are missing, fields too many, wrong types."""
    if isinstance(shape, str):
        return [] if _type_of(value) in shape.split("|") else [f"{path} is {_type_of(value)}, not {shape}"]
    if isinstance(shape, tuple):
        found = [differences(value, one, path) for one in shape]
        return min(found, key=len)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path} is {_type_of(value)}, not a list"]
        (member,) = shape
        return [found for part in value for found in differences(part, member, f"{path}[]")]
    return _field_differences(value, shape, path)


def _field_differences(value: Any, shape: dict[str, Shape], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is {_type_of(value)}, not an object"]
    names = {name.removesuffix("?"): name for name in shape}
    found = [f"{path}.{name} is missing" for name in shape if not name.endswith("?") and name not in value]
    for name, part in value.items():
        if name in names:
            found += differences(part, shape[names[name]], f"{path}.{name}")
        else:
            found.append(f"{path}.{name} is in no recording")
    return found


def _type_of(value: Any) -> str:
    return _TYPES[type(value)]


_TYPES: dict[type, str] = {
    bool: "flag",
    int: "whole",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
    type(None): "null",
}
