"""What is known of the vendor's models: capabilities, and the day each one is switched off.

Data and look-ups only. As of 2026-11-20, from https://platform.openai.com/docs/deprecations and the
model pages. A name that is not here is let through: it may be newer than this table.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

_GA_SHUTDOWN = dt.date(2027, 1, 20)
_WHISPER_SHUTDOWN = dt.date(2027, 2, 26)


@dataclass(frozen=True, slots=True)
class VoiceModel:
    """A model that a call can be connected to."""

    name: str
    has_reasoning: bool
    """Whether it takes `reasoning`; others refuse the whole session update."""

    context_tokens: int
    output_tokens_max: int
    shutdown: dt.date | None = None
    successor: str | None = None
    unfit: str | None = None
    """Why it cannot answer a phone call at all."""


@dataclass(frozen=True, slots=True)
class TranscriptionModel:
    """A model that writes down what the caller says."""

    name: str
    shutdown: dt.date | None = None
    successor: str | None = None
    unfit: str | None = None
    """Why it cannot be used inside a voice session."""


_BETA = "it belongs to the beta generation, whose protocol is no longer spoken"
_LIVE = "it speaks another protocol than the Realtime API"
_STREAMING_ONLY = "it works in transcription sessions only, without turn detection"

VOICE_MODELS = (
    VoiceModel("gpt-realtime-2.1", True, 128_000, 32_000),
    VoiceModel("gpt-realtime-2.1-mini", True, 128_000, 32_000),
    VoiceModel("gpt-realtime-2", True, 128_000, 32_000),
    VoiceModel("gpt-realtime-1.5", False, 32_000, 4_096),
    VoiceModel("gpt-realtime", False, 32_000, 4_096, _GA_SHUTDOWN, "gpt-realtime-2.1"),
    VoiceModel("gpt-realtime-mini", False, 32_000, 4_096, _GA_SHUTDOWN, "gpt-realtime-2.1-mini"),
    VoiceModel("gpt-4o-realtime-preview", False, 32_000, 4_096, None, "gpt-realtime-2.1", _BETA),
    VoiceModel("gpt-4o-mini-realtime-preview", False, 32_000, 4_096, None, "gpt-realtime-2.1-mini", _BETA),
    VoiceModel(
        "gpt-realtime-translate",
        False,
        32_000,
        4_096,
        None,
        "gpt-realtime-2.1",
        "it only translates, at an address of its own",
    ),
    VoiceModel("gpt-live-1", False, 128_000, 32_000, None, "gpt-realtime-2.1", _LIVE),
    VoiceModel("gpt-live-1.1", False, 128_000, 32_000, None, "gpt-realtime-2.1", _LIVE),
)

TRANSCRIPTION_MODELS = (
    TranscriptionModel("gpt-transcribe"),
    TranscriptionModel("gpt-live-transcribe", None, "gpt-transcribe", _STREAMING_ONLY),
    TranscriptionModel("gpt-realtime-whisper"),
    TranscriptionModel("whisper-1", _WHISPER_SHUTDOWN, "gpt-transcribe"),
    TranscriptionModel("gpt-4o-transcribe", _WHISPER_SHUTDOWN, "gpt-transcribe"),
    TranscriptionModel("gpt-4o-mini-transcribe", _WHISPER_SHUTDOWN, "gpt-transcribe"),
    TranscriptionModel("gpt-4o-transcribe-diarize", _WHISPER_SHUTDOWN, "gpt-transcribe"),
)

VOICES = frozenset(
    {
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "marin",
        "sage",
        "shimmer",
        "verse",
    }
)

CUSTOM_VOICE_PREFIX = "voice_"
"""A voice of one's own is named by its id."""

_SNAPSHOT = re.compile(r"-\d{4}-\d\d-\d\d$")


def voice_model(name: str) -> VoiceModel | None:
    """What is known of this model; a dated snapshot is known by the model it is one of."""
    family = _SNAPSHOT.sub("", name)
    return next((model for model in VOICE_MODELS if model.name == family), None)


def transcription_model(name: str) -> TranscriptionModel | None:
    """What is known of this model; a dated snapshot is known by the model it is one of."""
    family = _SNAPSHOT.sub("", name)
    return next((model for model in TRANSCRIPTION_MODELS if model.name == family), None)
