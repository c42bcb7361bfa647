"""What `callbridge check` says of auth tokens and of the key of our own."""

from __future__ import annotations

from callbridge.server.config.check_trust import trust
from callbridge.server.config.findings import Level
from desks import AUTH_TOKEN, made_settings

NEXT = "0123456789abcdef" * 2


def said(level: Level, **environment: str) -> list[str]:
    return [finding.what for finding in trust(made_settings(environment)) if finding.level is level]


def test_how_many_tokens_count_is_said() -> None:
    assert "under any" not in said(Level.OK)[0]
    assert said(Level.OK, CALLBRIDGE_OTHER_AUTH_TOKENS=f"{NEXT},{AUTH_TOKEN}")[0].endswith(
        "any of 2 auth tokens"
    )


def test_a_token_that_is_none_is_warned_of() -> None:
    (warning,) = said(
        Level.WARNING, CALLBRIDGE_OTHER_AUTH_TOKENS=f"{NEXT},SK123", CALLBRIDGE_SECRET_KEY="k" * 32
    )
    assert warning.startswith("CALLBRIDGE_OTHER_AUTH_TOKENS")
    assert said(Level.WARNING, TWILIO_AUTH_TOKEN="SK123")[0].startswith("TWILIO_AUTH_TOKEN")


def test_a_rotation_without_a_key_of_our_own_is_warned_of() -> None:
    (warning,) = said(Level.WARNING, CALLBRIDGE_OTHER_AUTH_TOKENS=NEXT)
    assert warning.startswith("CALLBRIDGE_SECRET_KEY")
