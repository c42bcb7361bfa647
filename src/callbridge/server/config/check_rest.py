"""What `callbridge check` says of Twilio's REST API: whether it is used, with what, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.credentials import Credentials


def rest(settings: Settings) -> Finding:
    """One finding. Nobody is asked."""
    if not settings.twilio_rest:
        return ok("Twilio's REST API is not used: calls are passed on unannounced, and no texts are sent")
    credentials = settings.rest_credentials
    with_what = f"API key {credentials.key_sid}" if credentials.key_sid else "the auth token"
    return ok(f"Twilio's REST API is asked with {with_what}{_where(credentials)}")


def _where(credentials: Credentials) -> str:
    if credentials.api_url:
        return f", at {credentials.api_url}: a simulated account"
    region, edge = credentials.way_in
    return f", in region {region} by {edge}" if region else ""
