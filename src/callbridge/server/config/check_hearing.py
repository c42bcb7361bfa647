"""Judges how the end of a caller's turn is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

SILENCE_SHORT_MS = 200
"""Below this, people are taken to have finished in the middle of a sentence."""

SILENCE_LONG_MS = 2_000
"""Above this, callers wonder whether anybody is there."""


def turn_detection(settings: Settings) -> Iterator[Finding]:
    """Whether callers are let finish, and answered in time."""
    if settings.vad_kind != "server_vad":
        return
    silence_ms = settings.vad_silence_duration_ms
    if silence_ms < SILENCE_SHORT_MS:
        yield warning(
            f"CALLBRIDGE_VAD_SILENCE_DURATION_MS={silence_ms} answers in the middle of sentences",
            "Set it to 300 to 700.",
        )
    if silence_ms > SILENCE_LONG_MS:
        yield warning(
            f"CALLBRIDGE_VAD_SILENCE_DURATION_MS={silence_ms} makes every answer that late",
            "Set it to 300 to 700.",
        )
    if settings.vad_threshold in {0.0, 1.0}:
        heard = "every noise as speech" if settings.vad_threshold == 0.0 else "no speech at all"
        yield warning(
            f"CALLBRIDGE_VAD_THRESHOLD={settings.vad_threshold:g} hears {heard}", "Set it to 0.3 to 0.8."
        )
