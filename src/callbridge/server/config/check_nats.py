"""Says what NATS is told, and in what company. Whether it can be reached is asked elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.nats import nats_servers, read_nats
from callbridge.server.config.setting_values import is_loopback
from callbridge.server.config.webhooks import WebhooksError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def nats(settings: Settings) -> Iterator[Finding]:
    """Says nothing where NATS is told nothing; that it cannot be is found by the rehearsal."""
    try:
        receiver = read_nats(settings)
    except WebhooksError:
        return
    if receiver is None:
        return
    servers = nats_servers(settings)
    kept = "with words" if settings.keep_words else "without words"
    yield ok(f"NATS at {servers.name} is told of {', '.join(sorted(receiver.events))}, {kept}")
    others = [one for one in servers.addresses if not is_loopback(one.rpartition(":")[0].strip("[]"))]
    if others and not servers.must_encrypt:
        yield warning(
            f"NATS_URL lets {', '.join(others)} decide whether anything is encrypted",
            "Write tls:// in place of nats://: then nothing is told to a server that does not speak TLS.",
        )
