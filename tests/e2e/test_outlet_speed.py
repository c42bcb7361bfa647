"""How much a process tells others in a second: webhooks and NATS, out of one outbox, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.outbox.deliveries import Outbox, enqueue
from callbridge.records.outbox.delivery import DeliveryState
from callbridge.records.outbox.events import Event, event_id
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.records.outbox.webhook import Webhook
from callbridge.server.config.nats import NatsServers
from callbridge.server.process.outbox.nats_sending import NatsSending
from callbridge.server.process.outbox.webhook_sending import WebhookSending
from leftovers import until
from nats_server import nats_server
from small_server import answered, small_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from callbridge.records.outbox.receiver import Receiver

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS = 50
FACTS = {"nats": 4_000, "crm": 400}
"""To each as many as take a second or two."""

EVENTS = frozenset({"fact.*"})


def facts(count: int) -> list[Event]:
    """Of calls that were live together."""
    found = []
    for number in range(count):
        call_sid = f"CA{number % CALLS}"
        content = f'{{"kind":"said","call_sid":"{call_sid}","number":{number},"words":"{"word " * 30}"}}'
        identity = event_id("fact.said", call_sid, str(number))
        found.append(Event(identity, "fact.said", call_sid, time.time(), content))
    return found


async def told_per_s(outbox: Outbox[Receiver], name: str, send: Callable[[], Awaitable[object]]) -> float:
    """How many are told in a second of what lies there."""
    events, receiver = facts(FACTS[name]), outbox.receivers[name]
    for first in range(0, len(events), 500):
        with outbox.database.writing() as connection:
            enqueue(connection, events[first : first + 500], (receiver,), time.time())
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(running(send))
        assert await until(lambda: outbox.counts().get((name, DeliveryState.DONE)) == len(events), 60)
        sending.cancel()
    return len(events) / (time.monotonic() - began)


async def running(send: Callable[[], Awaitable[object]]) -> None:
    await send()


@pytest.mark.long
async def test_nats_is_told_many_times_as_much(tmp_path: Path, figures: Callable[[str], None]) -> None:
    """Its deliveries are claimed and settled by the hundred, and a message costs no request."""
    database = Database(f"sqlite:///{tmp_path}/records.db")
    migrate(database)
    with contextlib.closing(database), nats_server() as server:
        async with small_server(lambda _: answered("", status="204 No Content")) as receiver:
            webhook = Webhook(name="crm", url=f"{receiver.origin}/calls", events=EVENTS)
            stream = NatsReceiver(subject="callbridge", stream="callbridge", events=EVENTS)
            both: Sequence[Receiver] = (webhook, stream)
            outbox = Outbox(database, both)
            by_request = WebhookSending(Outbox(database, (webhook,)))
            servers = NatsServers(addresses=(f"127.0.0.1:{server.port}",))
            by_stream = NatsSending(Outbox(database, (stream,)), stream, servers)
            webhooks = await told_per_s(outbox, "crm", by_request.send_forever)
            nats = await told_per_s(outbox, "nats", by_stream.send_forever)
    figures(
        f"told in a second, facts of {CALLS} calls: NATS {nats:.0f}, webhooks {webhooks:.0f}; "
        f"{nats / webhooks:.0f} times as many"
    )
    assert nats > 3 * webhooks
