"""Says where traces go, and with how much. Whether their receiver takes them is seen in its log and ours."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callbridge.server.config.findings import Finding, error, ok, warning
from callbridge.server.config.setting_values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

_LIBRARIES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def tracing(settings: Settings) -> Iterator[Finding]:
    """Says nothing where no traces are wanted."""
    if not settings.traces:
        return
    if not all(map(_is_installed, _LIBRARIES)):
        yield error(
            "traces are wanted, and OpenTelemetry's SDK is not installed",
            "Run: pip install 'callbridge[otel]'",
        )
        return
    url = urlsplit(settings.traces_url)
    share = "calls" if settings.traces_share == 1 else f"{settings.traces_share:.0%} of the calls"
    yield ok(f"spans of {share} go to {settings.traces_url}{_dialects(settings)}")
    if url.path.endswith("/v1/traces/v1/traces"):
        yield warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT ends in /v1/traces, which is added to it",
            "Take it away there, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT instead.",
        )
    if url.scheme == "http" and not is_loopback(url.hostname or "") and settings.traces_headers:
        yield warning(
            "traces and the key of their receiver go over http://, which everybody on the way can read",
            "Use https:// unless the network is your own.",
        )
    if settings.trace_words:
        yield warning(
            "the words of callers and agents leave with the spans: CALLBRIDGE_TRACE_WORDS is true",
            "Fine if your callers know; docs/privacy.md says what that means.",
        )


def _dialects(settings: Settings) -> str:
    return f", with the names of {' and '.join(settings.traces_for)}" if settings.traces_for else ""


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # Of what stands before the last dot.
        return False
