"""How long what calls said is kept, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.state.state import QUIET_S, Retention

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

_SILENCES: Final = 1.5
"""A silent caller is asked after one `caller_silence_seconds`, and the call ends after half of another."""


def retention(settings: Settings) -> Retention:
    """A live call is never so quiet that it is taken for one that is over."""
    silence_s = settings.caller_silence_seconds or settings.call_minutes_max * 60
    return Retention(
        outline_s=settings.state_kept_hours * 3600.0,
        quiet_s=QUIET_S + _SILENCES * silence_s,
        callers_s=(settings.caller_memory_days or 0) * 24 * 3600.0,
    )
