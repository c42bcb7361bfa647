"""Judges what a caller gets whom the model cannot serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


def fallback(settings: Settings) -> Finding:
    """A human, voicemail or the apology."""
    message = "may leave a message" if settings.fallback_voicemail else "hears the apology"
    if settings.fallback_dial is not None:
        return ok(
            "a caller whom the model cannot serve is put through to CALLBRIDGE_FALLBACK_DIAL; "
            f"if nobody answers, the caller {message}"
        )
    if settings.fallback_voicemail:
        return ok("a caller whom the model cannot serve may leave a message")
    return warning(
        "a caller whom the model cannot serve hears the apology and nothing else",
        "Set CALLBRIDGE_FALLBACK_DIAL to the number of a human, or remove CALLBRIDGE_FALLBACK_VOICEMAIL.",
    )
