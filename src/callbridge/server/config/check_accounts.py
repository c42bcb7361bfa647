"""Judges keys and accounts by their looks. Whether they work, only the vendors know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from callbridge.server.config.check_models import uses_vendor
from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

_AUTH_TOKEN = re.compile(r"[0-9a-f]{32}")


def openai_key(settings: Settings) -> Iterator[Finding]:
    """Whether the key looks like one of the vendor."""
    key = settings.openai_api_key.get_secret_value()
    if not key.startswith("sk-") and uses_vendor(settings):
        yield warning(
            "OPENAI_API_KEY does not begin with sk-, as keys of OpenAI do",
            "Create one at https://platform.openai.com/api-keys.",
        )
    else:
        yield ok("the key for the voice model is set")


def twilio_account(settings: Settings) -> Iterator[Finding]:
    """Whether Twilio's requests can be told from others."""
    if not _AUTH_TOKEN.fullmatch(settings.twilio_auth_token.get_secret_value()):
        yield warning(
            "TWILIO_AUTH_TOKEN does not look like one (32 digits 0-9 and letters a-f)",
            "Copy the Auth Token, not an API key secret, from https://console.twilio.com.",
        )
    if settings.validate_signatures:
        yield ok(f"Twilio's signature is checked for account {settings.twilio_account_sid}")
    else:
        yield warning("CALLBRIDGE_VALIDATE_SIGNATURES is false", "Fine on this machine; remove it elsewhere.")
