"""The SDK's model settings, as an agent of ours has them. What a call has not is named, not passed over.

The audio format is the telephone's, whatever they say: with another one a caller hears noise.

Vendor page: https://openai.github.io/openai-agents-python/ref/realtime/config/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from callbridge.agents.agent import ReasoningEffort
from callbridge.agents.detection import SemanticVad, ServerVad

_INSTEAD: Final = {
    "transcription": "leave it out; set CALLBRIDGE_TRANSCRIPTION_MODEL and the agent's language",
    "noise_reduction": "leave it out; set CALLBRIDGE_NOISE_REDUCTION",
    "max_output_tokens": "leave it out; set CALLBRIDGE_MAX_OUTPUT_TOKENS",
    "prompt": "write the instructions out",
    "tracing": "a call is traced by callbridge itself",
    "format": "a telephone has µ-law (audio/pcmu) and nothing else",
    "idle_timeout_ms": "the server does not know what the phone still has to play",
    "create_response": "a caller is always answered",
    "interrupt_response": "a caller always stops the agent",
}
"""What may be done about a setting that is left out."""

_OLD_NAMES: Final = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "input_audio_format": "format",
    "output_audio_format": "format",
    "modalities": "output_modalities",
    "model_name": "model",
}
"""Flat names of what now stands under `audio`, and others that mean the same."""

_MULAW: Final = frozenset({"g711_ulaw", "audio/pcmu"})

_TAKEN_EARLIER: Final = frozenset({"instructions", "tools", "handoffs"})
"""The session makes these of its agent, and hands them over."""


def as_ours(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What `Agent` is made with because of `settings`, and what of them a call has not, in words."""
    taken: dict[str, Any] = {}
    left_out: list[str] = []
    for name, value in _flat(settings):
        match name:
            case "model" | "voice" if isinstance(value, str):
                taken[name] = value
            case "turn_detection" if isinstance(value, Mapping):
                taken[name] = _detection(value, left_out)
            case "reasoning" if isinstance(value, Mapping) and value.get("effort") in get_args(
                ReasoningEffort
            ):
                taken["reasoning_effort"] = value["effort"]
            case _ if not _is_so_anyway(name, value):
                left_out.append(_words(name, value))
    return taken, list(dict.fromkeys(left_out))  # Formats of both directions are one thing to say.


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each setting under one name, whichever way it was written."""
    audio = settings.get("audio")
    parts = (
        [part for part in audio.values() if isinstance(part, Mapping)] if isinstance(audio, Mapping) else []
    )
    written = [pair for pair in settings.items() if pair[0] not in _TAKEN_EARLIER and pair[0] != "audio"]
    written += [pair for part in parts for pair in part.items()]
    return [(_OLD_NAMES.get(name, name), value) for name, value in written]


def _detection(detection: Mapping[str, Any], left_out: list[str]) -> ServerVad | SemanticVad:
    known: dict[str, Any]
    if detection.get("type", "server_vad") == "semantic_vad":
        known = {"eagerness": detection.get("eagerness")}
    else:
        names = ("threshold", "prefix_padding_ms", "silence_duration_ms")
        known = {name: detection.get(name) for name in names}
    for name, value in detection.items():
        if name not in known and name != "type" and not _is_so_anyway(name, value):
            left_out.append(_words(name, value))
    is_semantic = "eagerness" in known
    return SemanticVad(**known) if is_semantic else ServerVad(**known)


def _is_so_anyway(name: str, value: object) -> bool:
    """Whether leaving the setting out changes nothing."""
    match name:
        case "format":
            return (value.get("type") if isinstance(value, Mapping) else value) in _MULAW
        case "create_response" | "interrupt_response":
            return value is True
        case "output_modalities":
            return value == ["audio"]
        case "tool_choice":
            return value == "auto"
        case "turn_detection":
            return False  # Null switches it off, and then nobody is answered.
        case _:
            return value is None


def _words(name: str, value: object) -> str:
    shown = f"{name}={value!r}"
    shown = shown if len(shown) <= 80 else f"{name}=…"
    return f"{shown} ({_INSTEAD[name]})" if name in _INSTEAD else shown
