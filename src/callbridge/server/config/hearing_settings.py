"""How callers are heard, and when a turn of theirs ends: a part of the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import CallersLanguage, VendorsName


class HearingSettings(RestSettings):
    """The settings of hearing the caller."""

    language: CallersLanguage | None = None
    """The language that callers speak, as ISO-639-1 (en, de, ...), or with a country (de-AT).

    The transcription is told of it, the agent speaks it, and every text and the clip are in it. Not set: it
    is detected, and the texts are English."""

    transcription_model: VendorsName = "gpt-transcribe"
    """What writes down the caller's words; off switches it off."""

    noise_reduction: Literal["off", "near_field", "far_field"] = "off"
    """Cleans the caller's audio before the model hears it."""

    vad_kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    """How the end of the caller's turn is found: by silence, or by meaning."""

    vad_threshold: float = Field(0.5, ge=0, le=1)
    """server_vad: how loud speech must be, 0 to 1; higher for noisy lines."""

    vad_prefix_padding_ms: int = Field(300, ge=0, le=5_000)
    """server_vad: audio kept from before the first sound of speech."""

    vad_silence_duration_ms: int = Field(500, ge=0, le=10_000)
    """server_vad: silence that ends a turn; shorter answers sooner, and interrupts more."""

    vad_eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    """semantic_vad: how soon it takes a turn for ended; waits 8 s, 4 s or 2 s at most."""

    @property
    def transcribes(self) -> bool:
        """Whether the caller's words are written down."""
        return self.transcription_model != "off"
