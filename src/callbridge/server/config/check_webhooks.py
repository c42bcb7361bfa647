"""Says who is told of calls, and with how much. Whether a receiver answers: `callbridge deliveries test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.records.outbox.events import OF_CALLS
from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.webhooks import WebhooksError, read_webhooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callbridge.server.config.settings import Settings


def webhooks(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Each receiver. Says nothing where there is none; that they cannot be read is found by the rehearsal."""
    try:
        found = read_webhooks(settings, environment)
    except WebhooksError:
        return
    for webhook in found:
        yield ok(f"{webhook.name} at {webhook.place} is told of {', '.join(sorted(webhook.events))}")
        if not webhook.keys:
            yield ok(f"what {webhook.name} is told is not signed: its template makes another request")
    if any(webhook.wants(kind) for webhook in found for kind in OF_CALLS) and not settings.keep_words:
        yield warning(
            "they are told without words, captured objects and values: CALLBRIDGE_KEEP_WORDS is false",
            "Fine if figures are enough; otherwise set it to true, and tell your callers.",
        )
