"""What is said of those whom no line of their own told."""

from __future__ import annotations

import structlog

from callbridge.observe.first_of_kind import COUNT_EVERY_S, FirstOfKind
from callbridge.server.process.measuring.refusals import tell_counts


def test_what_a_flood_has_left_is_counted_once() -> None:
    """A minute after the first of them; a single one was told already."""
    refused = FirstOfKind()
    for _ in range(40):
        refused.take("unsigned", 0.0)
    refused.take("another", 0.0)
    with structlog.testing.capture_logs() as logs:
        for now in (1.0, COUNT_EVERY_S, COUNT_EVERY_S * 3):
            tell_counts(refused, now)
    assert [(line["kind"], line["count"]) for line in logs] == [("unsigned", 39)]
