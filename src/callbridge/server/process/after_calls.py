"""What follows calls, put together once: their records, who is told of them, who looks at them later.

No live call needs any of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.records.outbox.webhook import Webhook
from callbridge.server.config.caller_keys import key_on_record
from callbridge.server.config.nats import nats_servers, read_receivers
from callbridge.server.config.settings import find_variables
from callbridge.server.process.keeping.analysing import analysis_outgrowths, is_analysing, open_analysing
from callbridge.server.process.keeping.recording_links import link_for_others
from callbridge.server.process.keeping.records import open_records
from callbridge.server.process.keeping.sweeping import sweep_forever
from callbridge.server.process.keeping.tapes import open_taping
from callbridge.server.process.measuring.looking import (
    is_seen_from_outside,
    watch_certificate,
    watch_deliveries,
)
from callbridge.server.process.measuring.measuring import outboxes
from callbridge.server.process.outbox.nats_sending import open_nats
from callbridge.server.process.outbox.webhook_sending import (
    open_sending,
    telling_of_analyses,
    telling_of_ends,
    telling_of_facts,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.server.process.desk import Desk


def open_all_records(desk: Desk) -> None:
    """Gives the desk what is kept of calls for weeks, and what follows their ends, as far as it is wanted.

    Raises:
        RecordsError: the database can never be used like this.
        WebhooksError: who is told of calls cannot be read, or there are no records to tell of.
    """
    settings, wall_now = desk.settings, desk.wall_now
    desk.receivers = receivers = read_receivers(settings, find_variables().values)
    desk.records = records = open_records(
        settings,
        desk.state,
        partial(key_on_record, settings),
        wall_now,
        [*telling_of_ends(receivers, wall_now), *analysis_outgrowths(settings, wall_now)],
        telling_of_facts(receivers, wall_now),
    )
    webhooks = [receiver for receiver in receivers if isinstance(receiver, Webhook)]
    link_to = partial(link_for_others, settings)
    if webhooks and records is not None:
        desk.webhooks = open_sending(records.database, webhooks, wall_now, link_to)
    for receiver in receivers:
        if isinstance(receiver, NatsReceiver) and records is not None:
            servers = nats_servers(settings)
            desk.nats = open_nats(records.database, receiver, servers, wall_now, link_to)
    desk.taping = open_taping(settings, records, wall_now)


def lives_of_records(desk: Desk) -> dict[str, Callable[[], Awaitable[NoReturn]]]:
    """The organs that go on with calls that are over, by name."""
    lives: dict[str, Callable[[], Awaitable[NoReturn]]] = {}
    if desk.webhooks is not None:
        lives["webhooks"] = desk.webhooks.send_forever
    if desk.nats is not None:
        lives["nats"] = desk.nats.send_forever
    if outboxes(desk):
        lives["deliveries watch"] = partial(watch_deliveries, desk)
    if is_seen_from_outside(desk.settings):
        lives["certificate watch"] = partial(watch_certificate, desk)
    if desk.records is not None:
        lives["retention"] = partial(sweep_forever, desk.settings, desk.records.database, desk.wall_now)
    if desk.recordings is not None:
        lives["recordings watch"] = desk.recordings.look_forever
        lives["recordings store"] = desk.recordings.finish_forever
        if desk.records is None:  # Otherwise that of the records does it.
            lives["recordings retention"] = desk.recordings.sweep_forever
    if desk.records is not None and is_analysing(desk.settings):
        roster, wall_now = desk.plans.roster, desk.wall_now
        told = telling_of_analyses(desk.receivers, wall_now)
        analysing = open_analysing(desk.settings, desk.records.database, roster, wall_now, told)
        lives["analysis"] = analysing.run_forever
    return lives
