"""What `callbridge check` says of the secrets by which Twilio and our own processes are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

_AUTH_TOKEN = re.compile(r"[0-9a-f]{32}")


def trust(settings: Settings) -> Iterator[Finding]:
    """Whose signatures are accepted, and what outlives a new auth token."""
    own, *others = settings.auth_tokens
    if not _AUTH_TOKEN.fullmatch(own):
        yield warning(
            "TWILIO_AUTH_TOKEN does not look like one (32 digits 0-9 and letters a-f)",
            "Copy the Auth Token, not an API key secret, from https://console.twilio.com.",
        )
    if not all(map(_AUTH_TOKEN.fullmatch, others)):
        yield warning(
            "CALLBRIDGE_OTHER_AUTH_TOKENS has one that does not look like an auth token (32 digits 0-9, a-f)",
            "Copy each from https://console.twilio.com, with commas between them.",
        )
    if not settings.validate_signatures:
        yield warning("CALLBRIDGE_VALIDATE_SIGNATURES is false", "Fine on this machine; remove it elsewhere.")
        return
    count = f", under any of {len(others) + 1} auth tokens" if others else ""
    yield ok(f"Twilio's signature is checked for account {settings.twilio_account_sid}{count}")
    if others and settings.secret_key is None:
        yield warning(
            "CALLBRIDGE_SECRET_KEY is not set: after the rotation callers' calls are counted anew",
            "Set it to what `openssl rand -hex 32` prints, the same for all processes.",
        )
