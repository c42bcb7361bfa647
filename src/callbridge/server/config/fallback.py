"""What a caller gets whom the agent cannot serve, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.say import words
from callbridge.telephony.ladder import FallbackPlan

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


def fallback_plan(settings: Settings, callers: str | None = None) -> FallbackPlan:
    """What a caller gets whom the agent cannot serve.

    Args:
        settings: whom it rings, and what it says.
        callers: the language of the agent; nothing for that of the settings.
    """
    return FallbackPlan(
        apology=words(settings, "apology", callers),
        dial=settings.fallback_dial or "",
        dial_seconds=settings.fallback_dial_seconds,
        has_voicemail=settings.fallback_voicemail,
        voicemail_prompt=words(settings, "voicemail_prompt", callers),
        dialed_url=settings.fallback_dialed_url,
        voicemail_left_url=settings.voicemail_left_url,
        voicemail_status_url=settings.voicemail_status_url,
    )
