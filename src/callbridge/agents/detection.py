"""How the end of the caller's turn is found, as an agent may have it.

What is left out is left to the settings.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-vad
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVad:
    """By silence."""

    threshold: float | None = None
    """How loud speech must be, from 0 to 1."""
    prefix_padding_ms: int | None = None
    """How much is taken in from before it was noticed."""
    silence_duration_ms: int | None = None
    """The silence that ends a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticVad:
    """By meaning: it waits longer behind half a sentence."""

    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    """How soon it thinks that they are done."""
