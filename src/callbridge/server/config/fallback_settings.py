"""What callers get when the model cannot answer: a part of the settings."""

from __future__ import annotations

from pydantic import Field

from callbridge.server.config.menu_setting import FallbackMenu, Hours
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import PhoneNumber, SayLanguage, SayVoice


class FallbackSettings(RestSettings):
    """The settings of what follows when no agent answers, and of the voice that says it."""

    fallback_dial: PhoneNumber | None = None
    """A human who is called then, as +14155550123."""

    fallback_dial_seconds: int = Field(20, ge=5, le=60)
    """How long it rings there, in seconds; Twilio lets nothing ring less than 10."""

    fallback_caller_id: PhoneNumber | None = None
    """A number of yours that the human is shown where neither caller nor called have one: SIP, an app."""

    fallback_voicemail: bool = True
    """Whether the caller may leave a message when no human answers."""

    voicemail_prompt: str | None = None
    """What Twilio's own voice says before the tone."""

    apology: str | None = None
    """What Twilio's own voice says when nothing else can answer."""

    office_hours: Hours = None
    """When a human may be rung, in `time_zone`: Mo-Fr 9:00-17:30, Sa 10:00-13:00. Not set: at any time."""

    closed_message: str | None = None
    """What Twilio's own voice says outside of them, before voicemail."""

    fallback_menu: FallbackMenu = None
    """What the caller may choose from then, before all that: up to five keys, as JSON."""

    say_voice: SayVoice | None = None
    """Which voice of Twilio's reads these texts: woman, Polly.Vicki, Google.de-DE-Standard-A, ..."""

    say_language: SayLanguage | None = None
    """In which language, as Twilio spells it (de-DE); not set: that of the voice, else of the callers."""
