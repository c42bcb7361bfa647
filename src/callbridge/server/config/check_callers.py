"""Judges what is to be remembered of callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def callers(settings: Settings) -> Iterator[Finding]:
    """For how long, and what keeps it from being of use."""
    days = settings.caller_memory_days
    if days is None:
        return
    yield ok(f"callers are remembered for {days} day{'' if days == 1 else 's'} after their last call")
    if settings.state_path is None and settings.shared_state_url is None:
        yield warning(
            "what is remembered of callers is gone with the process",
            "Set CALLBRIDGE_STATE_PATH to a file on a disk that outlives it.",
        )
    if not settings.transcribes:
        yield warning(
            "what callers say is not remembered: CALLBRIDGE_TRANSCRIPTION_MODEL is off",
            "Have it written down, or remove CALLBRIDGE_CALLER_MEMORY_DAYS.",
        )
