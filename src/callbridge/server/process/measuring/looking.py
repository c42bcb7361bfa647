"""What is looked at now and then because no call tells of it: the public certificate, what is undelivered.

Organs without which calls go on. What they find stands in the metrics (`Measures`).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

import structlog

from callbridge.agents.tools.threads import ThreadsBusy
from callbridge.records.errors import RecordsError
from callbridge.server.process.measuring.measuring import outboxes
from callbridge.server.process.own_threads import AFTER_CALLS, in_thread

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk

FIRST_LOOK_S: Final = 30.0
"""After the start: a proxy before this process may only let it in once it is ready."""

CERTIFICATE_EVERY_S: Final = 3600.0
CERTIFICATE_AGAIN_S: Final = 600.0
"""After a look to which nobody answered."""

HANDSHAKE_S: Final = 10.0

DELIVERIES_EVERY_S: Final = 15.0

_log = structlog.get_logger()


def is_seen_from_outside(settings: Settings) -> bool:
    """Whether there is a certificate that Twilio looks at."""
    return settings.is_public and settings.public_base_url.startswith("https:")


async def watch_certificate(desk: Desk) -> NoReturn:
    """Looks at the certificate of the public address as Twilio meets it, once an hour."""
    parts = urlsplit(desk.settings.public_base_url)
    assert parts.hostname is not None, "the settings have a host"
    tls = ssl.create_default_context()
    await asyncio.sleep(FIRST_LOOK_S)
    while True:
        is_seen = await look_at_certificate(desk, parts.hostname, parts.port or 443, tls)
        await asyncio.sleep(CERTIFICATE_EVERY_S if is_seen else CERTIFICATE_AGAIN_S)


async def look_at_certificate(desk: Desk, host: str, port: int, tls: ssl.SSLContext) -> bool:
    """Notes until when the certificate is good, and whether it is trusted. Whether one was to be seen."""
    known = desk.measures
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except ssl.SSLCertVerificationError as refused:
        known.is_certificate_trusted = False
        _log.error("certificate_not_trusted", host=host, reason=refused.verify_message)
        return True
    except (OSError, TimeoutError) as fault:
        # There are networks in which nobody reaches their own public address: that says nothing of it.
        _log.info("certificate_not_seen", host=host, reason=str(fault) or type(fault).__name__)
        return False
    try:
        certificate = writer.get_extra_info("peercert")
        known.is_certificate_trusted = True
        known.certificate_ends_at = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
    finally:
        writer.transport.abort()
    return True


async def watch_deliveries(desk: Desk) -> NoReturn:
    """Counts what is to be delivered, four times a minute."""
    while True:
        await count_deliveries(desk)
        await asyncio.sleep(DELIVERIES_EVERY_S)


async def count_deliveries(desk: Desk) -> None:
    """Once. While the database is away it is not known how many there are."""

    def count() -> dict[str, int]:
        return {name: waiting for outbox in outboxes(desk) for name, waiting in outbox.waiting().items()}

    try:
        desk.measures.deliveries_waiting = await in_thread(AFTER_CALLS, count, "deliveries watch")
    except (RecordsError, ThreadsBusy):
        desk.measures.deliveries_waiting = None
