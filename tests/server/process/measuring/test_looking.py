"""What is looked at now and then: the certificate of a real server, and what is to be delivered."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from callbridge.records.errors import RecordsAway
from callbridge.server.process.measuring.looking import (
    count_deliveries,
    is_seen_from_outside,
    look_at_certificate,
)
from desks import UNSIGNED, FrontDesk, made_settings
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTIFICATE = Path(__file__).parents[3] / "loopback.pem"
"""Made for tests: for localhost, until October 2126."""


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """A server with that certificate; answers its port."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_end_of_a_trusted_certificate_is_known() -> None:
    desk = FrontDesk().desk
    async with listening() as port:
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        assert await look_at_certificate(desk, "localhost", port, trusting)
    assert desk.measures.is_certificate_trusted is True
    ends_at = dt.datetime.fromtimestamp(desk.measures.certificate_ends_at or 0, dt.UTC)
    assert (ends_at.year, ends_at.month) == (2126, 10)


async def test_one_that_nobody_trusts_is_told_as_such() -> None:
    desk = FrontDesk().desk
    async with listening() as port:
        assert await look_at_certificate(desk, "localhost", port, ssl.create_default_context())
    assert (desk.measures.is_certificate_trusted, desk.measures.certificate_ends_at) == (False, None)


async def test_an_address_that_cannot_be_reached_from_here_says_nothing() -> None:
    desk = FrontDesk().desk
    assert not await look_at_certificate(desk, "localhost", free_port(), ssl.create_default_context())
    assert desk.measures.is_certificate_trusted is None


def test_only_an_address_of_the_public_internet_has_a_certificate_to_look_at() -> None:
    assert is_seen_from_outside(made_settings())
    assert not is_seen_from_outside(made_settings(UNSIGNED))


async def test_what_is_to_be_delivered_is_counted_while_the_database_can_be_asked() -> None:
    desk = FrontDesk().desk
    outbox: Any = SimpleNamespace(waiting=lambda: {"crm": 3})
    webhooks: Any = SimpleNamespace(outbox=outbox)
    desk.webhooks = webhooks
    await count_deliveries(desk)
    assert desk.measures.deliveries_waiting == {"crm": 3}

    def away() -> dict[str, int]:
        raise RecordsAway("it is away")

    outbox.waiting = away
    await count_deliveries(desk)
    assert desk.measures.deliveries_waiting is None
