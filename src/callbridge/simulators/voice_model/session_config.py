"""The session's configuration: what `session.update` may say, and what is then in effect.

An update is a patch: fields that are absent stay, null clears. It is all or nothing: the first thing
that is wrong refuses the whole of it. Neither sends nor knows events.

https://developers.openai.com/api/docs/guides/realtime-conversations and the schema in PyPI `openai`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from callbridge.simulators.voice_model.formats import PCM, PCM_RATE
from callbridge.simulators.voice_model.schema import ClientError, Json, not_supported
from callbridge.simulators.voice_model.session_schema import SessionKind, check_session
from callbridge.simulators.voice_model.vad import TurnDetection

if TYPE_CHECKING:
    from collections.abc import Collection

REALTIME_MODELS = (
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-2",
    "gpt-realtime-1.5",
    "gpt-realtime",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06",
    "gpt-realtime-mini-2025-12-15",
)
"""Models that `/v1/realtime` serves in 2026."""

REASONING_MODELS = frozenset({"gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2"})
"""Models that take `reasoning` and `parallel_tool_calls`; the session that is echoed shows neither."""

PHASED_MODELS = frozenset({"gpt-realtime-2.1", "gpt-realtime-2.1-mini"})
"""Models whose messages tell their `phase`, and whose items overlap."""

_MODELS_OF_2025 = frozenset(
    name for name in REALTIME_MODELS if re.match(r"gpt-realtime(-mini)?(-2025|$)", name)
)
"""They have a shorter silence and another voice, as long as they are not told."""

_STREAMING_MODELS = frozenset({"gpt-realtime-whisper"})
"""Transcription models that write while the caller still speaks."""

TRANSCRIPTION_MODELS = (
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)
"""Models for `audio.input.transcription.model`."""

INSTRUCTIONS = (
    "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. Act like a human, "
    "but remember that you aren't a human and that you can't do human things in the real world."
)
"""The server has instructions of its own, visible in `session.created`."""

_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    # 200 with the models of 2025: a client should set it.
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}

_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


class SessionConfig:
    """The effective configuration. Never changed in place: `updated` makes a new one."""

    def __init__(self, model: str, kind: SessionKind = "realtime") -> None:
        self.kind = kind
        self.values = _defaults(model)

    def updated(
        self,
        patch: Any,
        *,
        has_spoken: bool,
        transcription_models: Collection[str],
        takes_include: bool = True,
    ) -> SessionConfig:
        """The configuration after `session.update` with this `session`.

        Raises:
            ClientError: something in it is refused, and so all of it.
        """
        checked: Json = check_session(self.kind)(patch, "session")
        if not takes_include and "include" in checked:
            raise ClientError("unknown_parameter", "Unknown parameter: 'session.include'.", "session.include")
        after = copy.copy(self)
        after.values = _merge(self.values, checked, self.model)
        # Cleared are the client's instructions, not the server's own.
        after.values["instructions"] = after.values["instructions"] or INSTRUCTIONS
        _refuse_other_model(self.values["model"], checked)
        _refuse_reasoning(self.values["model"], checked, "session")
        refuse_other_voice(self.voice, checked, has_spoken=has_spoken)
        _refuse_transcription(after, transcription_models)
        return after

    @property
    def model(self) -> str:
        """The model that the client connected to."""
        return str(self.values["model"])

    @property
    def echo(self) -> Json:
        """The session as `session.created` and `session.updated` show it, but for what no setting changes."""
        if self.kind == "realtime":
            shown = {name: value for name, value in self.values.items() if name not in _NEVER_ECHOED}
            return {"object": "realtime.session"} | shown
        heard = dict(self.values["audio"]["input"])
        if heard["turn_detection"] is not None:
            answering = {"create_response", "interrupt_response", "idle_timeout_ms"}
            detection = heard["turn_detection"].items()
            heard["turn_detection"] = {name: value for name, value in detection if name not in answering}
        shown = {"type": "transcription", "object": "realtime.transcription_session"}
        return shown | {"audio": {"input": heard}, "include": self.values["include"]}

    @property
    def input_format(self) -> str:
        """`audio/pcm`, `audio/pcmu` or `audio/pcma`."""
        return str(self.values["audio"]["input"]["format"]["type"])

    @property
    def output_format(self) -> str:
        """As `input_format`."""
        return str(self.values["audio"]["output"]["format"]["type"])

    @property
    def voice(self) -> Any:
        """A name, or an object with the id of a voice of one's own."""
        return self.values["audio"]["output"]["voice"]

    @property
    def transcription(self) -> Json | None:
        """Settings of the input transcription, or None when it is off."""
        settings: Json | None = self.values["audio"]["input"]["transcription"]
        return settings

    @property
    def transcribes_at_once(self) -> bool:
        """Whether what the caller says is written while it is said."""
        return self.transcription is not None and self.transcription["model"] in _STREAMING_MODELS

    @property
    def turn_detection(self) -> TurnDetection | None:
        """Settings of the turn detection, or None for turns by hand."""
        settings: Json | None = self.values["audio"]["input"]["turn_detection"]
        if settings is None:
            return None
        named = {name: value for name, value in settings.items() if name != "type"}
        detection = TurnDetection(kind=settings["type"], **named)
        if self.kind == "transcription":
            return replace(detection, create_response=False, interrupt_response=False, idle_timeout_ms=None)
        return detection

    def summary(self) -> str:
        """The settings that decide how a call sounds, in one line."""
        detection = self.values["audio"]["input"]["turn_detection"]
        transcription = self.transcription
        tools = [tool.get("name", tool["type"]) for tool in self.values["tools"]]
        return (
            f"{self.input_format} in, {self.output_format} out, voice {self.voice}, "
            f"{detection['type'] if detection else 'turns by hand'}, "
            f"transcription {transcription['model'] if transcription else 'off'}, "
            f"tools {', '.join(tools) or 'none'}"
        )


def pace_of(model: str) -> float:
    """How many times faster than real time its audio comes."""
    return 13.0 if model == "gpt-realtime-2.1-mini" else 5.0


_NEVER_ECHOED = frozenset({"reasoning", "parallel_tool_calls"})


def _server_vad(model: str) -> Json:
    return _SERVER_VAD | ({"silence_duration_ms": 200} if model in _MODELS_OF_2025 else {})


def _defaults(model: str) -> Json:
    values: Json = {
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": PCM, "rate": PCM_RATE},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _server_vad(model),
            },
            "output": {
                "format": {"type": PCM, "rate": PCM_RATE},
                "voice": "alloy" if model in _MODELS_OF_2025 else "marin",
                "speed": 1.0,
            },
        },
    }
    if model in REASONING_MODELS:
        values |= {"reasoning": {"effort": "low"}, "parallel_tool_calls": True}
    return values


# --- Patching ---------------------------------------------------------------------------------


def _merge(current: Json, patch: Json, model: str) -> Json:
    after = dict(current)
    for name, value in patch.items():
        if name in {"audio", "input", "output"}:
            after[name] = _merge(current[name], value, model)
        elif name == "turn_detection" and value is not None:
            after[name] = _turn_detection(current[name], value, model)
        elif name in {"noise_reduction", "transcription"} and value is not None:
            after[name] = _kept(name, current[name], value)
        else:
            after[name] = value
    return after


def _turn_detection(current: Json | None, patch: Json, model: str) -> Json:
    if current is not None and current["type"] == patch["type"]:
        return current | patch
    defaults = _server_vad(model) if patch["type"] == "server_vad" else _SEMANTIC_VAD
    return defaults | patch


def _kept(name: str, current: Json | None, patch: Json) -> Json:
    if name == "noise_reduction":
        # Strength is 1 when first enabled; omitting it keeps what it is.
        return {"strength": 1.0} | (current or {}) | patch
    # The settings of one transcription model mean nothing to another.
    is_same = current is not None and current["model"] == patch.get("model", current["model"])
    defaults: Json = {"model": "whisper-1", "language": None, "prompt": None}
    return defaults | (current or {} if is_same else {}) | patch


# --- What a field may not be, given the rest --------------------------------------------------


def _refuse_other_model(model: str, patch: Json) -> None:
    if patch.get("model", model) != model:
        raise ClientError(
            "invalid_value",
            f"Invalid value: '{patch['model']}'. The model of a session cannot be changed; "
            f"this session uses '{model}'.",
            "session.model",
        )


def _refuse_reasoning(model: str, patch: Json, path: str) -> None:
    for name in ("reasoning", "parallel_tool_calls"):
        if patch.get(name) is not None and model not in REASONING_MODELS:
            param = f"{path}.{name}"
            raise ClientError(
                "unsupported_parameter",
                f"Unsupported parameter: '{param}' is not supported with this model.",
                param,
            )


def refuse_response_settings(config: SessionConfig, patch: Json, *, has_spoken: bool) -> None:
    """Check the settings of one response against the session's. Raises ClientError."""
    _refuse_reasoning(config.model, patch, "response")
    refuse_other_voice(config.voice, patch, has_spoken=has_spoken)


def refuse_other_voice(voice: Any, patch: Json, *, has_spoken: bool) -> None:
    """Repeating the voice is fine; another one is refused once the assistant was heard."""
    asked = patch.get("audio", {}).get("output", {}).get("voice", voice)
    if has_spoken and asked != voice:
        raise ClientError(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
        )


def _refuse_transcription(config: SessionConfig, models: Collection[str]) -> None:
    path = "session.audio.input.transcription"
    settings = config.transcription
    if settings is None:
        return
    model = settings["model"]
    if model not in models:
        raise not_supported(model, models, f"{path}.model")
    for name, takers in _TRANSCRIPTION_FIELDS.items():
        if settings.get(name) is not None and model not in takers:
            param = f"{path}.{name}"
            message = f"Unsupported parameter: '{param}' is not supported with model '{model}'."
            raise ClientError("unsupported_parameter", message, param)
    # In a voice session it stands beside turn detection.
    is_alone = config.kind == "transcription" and model in _STREAMING_MODELS
    if is_alone and config.turn_detection is not None:
        raise ClientError(
            "invalid_value",
            f"Turn detection must be null with transcription model '{model}'.",
            "session.audio.input.turn_detection",
        )


_TRANSCRIPTION_FIELDS = {
    "languages": {"gpt-transcribe", "gpt-live-transcribe"},
    "keywords": {"gpt-transcribe", "gpt-live-transcribe"},
    "delay": {"gpt-realtime-whisper"},
    "prompt": set(TRANSCRIPTION_MODELS) - {"gpt-4o-transcribe-diarize", "gpt-realtime-whisper"},
}
"""Settings that only some transcription models take."""
