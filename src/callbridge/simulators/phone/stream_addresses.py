"""The addresses of media streams: what a relative one means, and which of them Twilio does not open. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urljoin, urlsplit, urlunsplit


def stream_url(document_url: str, url: str) -> str:
    """The URL of a stream; a relative one belongs to the host of the document."""
    if "://" in url or not url:
        return url
    parts = urlsplit(urljoin(document_url, url))
    scheme = "ws" if parts.scheme == "http" else "wss"
    return urlunsplit((scheme, parts.netloc, parts.path, parts.query, ""))


def stream_fault(url: str, track: str | None) -> tuple[int, str] | None:
    """The carrier code that a stream's attributes earn before anything is connected."""
    if track not in {None, "inbound_track"}:
        return 31941, f"track {track!r}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return 31923, f"{url!r}: {error}"
    if not host:
        return 31923, f"{url!r}"
    if parts.scheme != "wss" and not (parts.scheme == "ws" and is_loopback(host)):
        return 31922, f"{url!r}"
    if parts.query:
        return 31920, f"{url!r}: query strings are not supported, use <Parameter>"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where plain `ws://` is let pass for development."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
