"""What the `session` of a `session.update` may look like, and the parts it shares with a response.

The field table of the Realtime GA schema, as checks. What a field means, and what it may not be given
the rest of the session, is in `session_config`.
"""

from __future__ import annotations

from typing import Any, Literal

from callbridge.simulators.voice_model.formats import PCM, PCM_RATE, PCMA, PCMU
from callbridge.simulators.voice_model.schema import (
    Check,
    ClientError,
    Json,
    anything,
    choice,
    either,
    flag,
    listing,
    missing,
    nullable,
    number,
    record,
    tagged,
    text,
    whole,
)

SessionKind = Literal["realtime", "transcription"]
"""`session.type`: what the client asked for when it connected."""

VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)


def _modalities(value: Any, path: str) -> list[str]:
    modalities: list[str] = listing(choice("text", "audio"))(value, path)
    if len(modalities) != 1:
        raise ClientError(
            "invalid_value",
            f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio'].",
            path,
        )
    return modalities


def _max_output_tokens(value: Any, path: str) -> int | str:
    checked: int | str = either(["inf"], whole(1, 4096))(value, path)
    return checked


def _parameters(value: Any, path: str) -> Json:
    schema: Json = any_object(value, path)
    if schema.get("type") != "object":
        raise ClientError(
            "invalid_function_parameters",
            f"Invalid schema for '{path}': schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{schema.get('type')}\"'.",
            path,
        )
    return schema


def any_object(value: Any, path: str) -> Json:
    """An object that the API does not look into here."""
    if not isinstance(value, dict):
        record({})(value, path)
    return dict(value)


FORMAT = tagged(
    "type",
    {
        PCM: record({"type": anything, "rate": whole(PCM_RATE, PCM_RATE)}, required=("type", "rate")),
        PCMU: record({"type": anything}),
        PCMA: record({"type": anything}),
    },
)

VOICE = either(VOICES, record({"id": text()}, required=("id",)))

FUNCTION_NAME = text(longest=64, pattern="[a-zA-Z0-9_-]+")

_FILTER = record({"tool_names": listing(text()), "read_only": flag})


def _allowed(value: Any, path: str) -> Any:
    return listing(text())(value, path) if isinstance(value, list) else _FILTER(value, path)


def _mcp(fields: dict[str, Check]) -> Check:
    """A server has a label, and one way in which it is reached."""
    known = record(fields, required=("server_label",))

    def check(value: Any, path: str) -> Any:
        checked = known(value, path)
        if not {"server_url", "tunnel_id", "connector_id"} & checked.keys():
            raise missing(f"{path}.server_url")
        return checked

    return check


TOOLS = listing(
    tagged(
        "type",
        {
            "function": record(
                {
                    "type": anything,
                    "name": FUNCTION_NAME,
                    "description": text(),
                    "parameters": _parameters,
                },
                required=("name",),
            ),
            "mcp": _mcp(
                {
                    "type": anything,
                    "server_label": text(),
                    "server_url": text(),
                    "tunnel_id": text(),
                    "connector_id": text(),
                    "authorization": text(),
                    "headers": nullable(any_object),
                    "allowed_tools": nullable(_allowed),
                    "require_approval": nullable(
                        either(("always", "never"), record({"always": _FILTER, "never": _FILTER}))
                    ),
                    "server_description": text(),
                    "defer_loading": flag,
                    "allowed_callers": listing(choice("direct", "programmatic")),
                }
            ),
        },
    ),
    most=128,
)

TOOL_CHOICE = either(
    ("none", "auto", "required"),
    tagged(
        "type",
        {
            "function": record({"type": anything, "name": text()}, required=("name",)),
            "mcp": record(
                {"type": anything, "server_label": text(), "name": nullable(text())},
                required=("server_label",),
            ),
        },
    ),
)

REASONING = record({"effort": choice("minimal", "low", "medium", "high", "xhigh")})

PROMPT = nullable(
    record(
        {
            "id": text(),
            "version": nullable(text()),
            "variables": nullable(any_object),
        },
        required=("id",),
    )
)

MODALITIES = _modalities

MAX_OUTPUT_TOKENS = _max_output_tokens

_TRANSCRIPTION = record(
    {
        "model": text(),
        "language": nullable(text()),
        "languages": listing(text()),
        "keywords": listing(text()),
        "prompt": nullable(text()),
        "delay": choice("minimal", "low", "medium", "high", "xhigh"),
    }
)

_TURN_DETECTION = tagged(
    "type",
    {
        "server_vad": record(
            {
                "type": anything,
                "threshold": number(0.0, 1.0),
                "prefix_padding_ms": whole(0),
                "silence_duration_ms": whole(0),
                "idle_timeout_ms": nullable(whole(5000, 30_000)),
                "create_response": flag,
                "interrupt_response": flag,
            }
        ),
        "semantic_vad": record(
            {
                "type": anything,
                "eagerness": choice("low", "medium", "high", "auto"),
                "create_response": flag,
                "interrupt_response": flag,
            }
        ),
    },
)

_NOISE_REDUCTION = record(
    {"type": choice("near_field", "far_field"), "strength": number(0.0)}, required=("type",)
)

_INPUT = record(
    {
        "format": FORMAT,
        "noise_reduction": nullable(_NOISE_REDUCTION),
        "transcription": nullable(_TRANSCRIPTION),
        "turn_detection": nullable(_TURN_DETECTION),
    }
)

_AUDIO = record(
    {
        "input": _INPUT,
        "output": record({"format": FORMAT, "voice": VOICE, "speed": number(0.25, 1.5)}),
    }
)

_TRUNCATION = either(
    ("auto", "disabled"),
    tagged(
        "type",
        {
            "retention_ratio": record(
                {
                    "type": anything,
                    "retention_ratio": number(0.0, 1.0),
                    "token_limits": nullable(record({"post_instructions": nullable(whole(0))})),
                },
                required=("retention_ratio",),
            )
        },
    ),
)

_TRACING = nullable(
    either(
        ("auto",),
        record({"workflow_name": text(), "group_id": text(), "metadata": anything}),
    )
)


_INCLUDE = nullable(listing(choice("item.input_audio_transcription.logprobs")))

_REALTIME = record(
    {
        "type": anything,
        "model": text(),
        "instructions": text(),
        "output_modalities": MODALITIES,
        "audio": _AUDIO,
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": REASONING,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "truncation": _TRUNCATION,
        "tracing": _TRACING,
        "include": _INCLUDE,
        "prompt": PROMPT,
    }
)

_TRANSCRIBING = record({"type": anything, "audio": record({"input": _INPUT}), "include": _INCLUDE})


def _refused(message: str) -> Check:
    def check(_value: Any, _path: str) -> Json:
        raise ClientError("invalid_value", message, "session.type")

    return check


_SESSIONS: dict[SessionKind, Check] = {
    "realtime": tagged(
        "type",
        {
            "realtime": _REALTIME,
            "transcription": _refused(
                "Passing a transcription session update event to a realtime session is not allowed."
            ),
        },
    ),
    "transcription": tagged(
        "type",
        {
            "realtime": _refused(
                "Passing a realtime session update event to a transcription session is not allowed."
            ),
            "transcription": _TRANSCRIBING,
        },
    ),
}


def check_session(kind: SessionKind) -> Check:
    """The check of the `session` of a `session.update`, for sessions of this type."""
    return _SESSIONS[kind]
