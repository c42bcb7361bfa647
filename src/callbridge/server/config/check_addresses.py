"""Judges where the service listens, and the address under which Twilio reaches it."""

from __future__ import annotations

import errno
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callbridge.server.config.findings import Finding, error, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def public_address(settings: Settings) -> Iterator[Finding]:
    """Whether Twilio can reach what it is told."""
    host = urlsplit(settings.public_base_url).hostname or ""
    if not settings.is_public:
        yield warning(
            f"PUBLIC_BASE_URL is {settings.public_base_url}, which only this machine can reach",
            "Fine for simulated calls; for real ones set the https:// address of a tunnel or host.",
        )
    elif _is_private(host):
        yield error(
            f"PUBLIC_BASE_URL is {settings.public_base_url}, which Twilio cannot reach",
            "Set an address of the public internet, such as that of a tunnel.",
        )
    elif (port := urlsplit(settings.public_base_url).port) is not None:
        # https://www.twilio.com/docs/voice/twiml/stream: the media socket must be reachable on 443.
        yield error(
            f"PUBLIC_BASE_URL has port {port}, but Twilio opens its media sockets on port 443 alone",
            "Let a proxy or a tunnel listen on 443, and remove the port.",
        )
    else:
        yield ok(f"Twilio reaches the webhook at {settings.voice_url}")
        if settings.listens_on_loopback:
            yield warning(
                f"CALLBRIDGE_HOST is {settings.host}, so only a tunnel on this machine can bring calls in",
                "Fine with a tunnel; in a container remove CALLBRIDGE_HOST.",
            )


def port(settings: Settings, failure: OSError | None) -> Finding:
    """What becomes of listening: `failure`, or nothing."""
    address = f"{settings.host} port {settings.port}"
    if failure is None:
        return ok(f"{address} is free to listen on")
    if failure.errno == errno.EADDRINUSE:
        return warning(
            f"something listens on {address} already",
            "Fine if it is this service; otherwise stop it, or set another PORT.",
        )
    return cannot_listen(settings, failure)


def cannot_listen(settings: Settings, failure: OSError) -> Finding:
    """The service has no port."""
    address = f"{settings.host} port {settings.port}"
    if failure.errno == errno.EADDRINUSE:
        return error(
            f"something listens on {address} already",
            f"Find it (ss -ltnp 'sport = :{settings.port}') and stop it, or set another PORT.",
        )
    return error(
        f"one cannot listen on {address}: {failure.strerror or failure}",
        "Set another CALLBRIDGE_HOST or PORT.",
    )


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
