"""Judges whether calls can be analysed as the settings ask for it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.records import records_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def why_not_analysed(settings: Settings) -> tuple[str, str] | None:
    """Why no call can be analysed, and what to do; nothing where calls can be, or are not to be."""
    if settings.analysis_model is None:
        return None
    if records_url(settings) is None:
        return "no records are kept", "Set CALLBRIDGE_STATE_PATH or DATABASE_URL."
    if not settings.keep_words:
        return "no words are kept", "Set CALLBRIDGE_KEEP_WORDS=true: docs/privacy.md says what that means."
    if not settings.transcribes:
        return "callers' words are not written down", "Remove CALLBRIDGE_TRANSCRIPTION_MODEL=off."
    if find_spec("openai") is None:
        return "the OpenAI client is not installed", "Run: pip install 'callbridge[analysis]'"
    return None


def analysis(settings: Settings) -> Iterator[Finding]:
    """What becomes of calls that are over. Says nothing where they are not to be looked at."""
    if settings.analysis_model is None:
        return
    if (why := why_not_analysed(settings)) is not None:
        reason, remedy = why
        yield warning(f"calls are to be analysed by {settings.analysis_model}, and are not: {reason}", remedy)
        return
    share = "calls" if settings.analysis_share == 1 else f"{settings.analysis_share:.0%} of the calls"
    long = f"{settings.analysis_seconds_min} s or longer"
    yield ok(f"{share} of {long} are analysed by {settings.analysis_model} at {settings.analysis_url}")
