"""Sends what lies in the outbox: to each receiver by itself, so that a slow one costs no other anything.

The event loop waits for sockets alone: the database is asked in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.agents.http.kept_connections import KeptConnections
from callbridge.agents.tools.threads import Threads
from callbridge.records.errors import RecordsError
from callbridge.records.outbox.body import no_link
from callbridge.records.outbox.delivery import Attempt, DeliveryState, Settled
from callbridge.records.outbox.events import CALL_RECORDED, FACT
from callbridge.records.outbox.schedule import Verdict, verdict
from callbridge.server.config.webhook_settings import FACT_KINDS
from callbridge.server.process.outbox.webhook_posting import Posting
from callbridge.server.process.own_threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.records.database import Database
    from callbridge.records.outbox.deliveries import Outbox
    from callbridge.records.outbox.delivery import Delivery
    from callbridge.records.outbox.receiver import Receiver
    from callbridge.records.outbox.webhook import Webhook
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.shipping import Witness
    from callbridge.server.process.outbox.webhook_posting import Posted

AT_ONCE: Final = 4
"""Deliveries on their way to one receiver."""

CLAIMED_AHEAD: Final = 16
"""Deliveries that are claimed for one receiver: a transaction for each would cost more than its request. One
after the other they take 80 s at the most, which is less than `LEASE_S`."""

POLL_S: Final = 1.0
"""How often the database is asked when nothing happens."""

AWAY_S: Final = 5.0
"""The same when it is away."""

_log = structlog.get_logger()


class WebhookSending:
    """The sender of one process.

    Args:
        outbox: where deliveries lie.
        connections: makes what they are sent over.
        link_to: the address of a recording by its name; empty for none.
        wall_now: seconds since 1970.
        now: a monotonic clock, in seconds.
        roll: from 0 to 1, by chance.
        poll_s: how often the database is asked when nothing happens.
    """

    def __init__(
        self,
        outbox: Outbox[Webhook],
        *,
        connections: Callable[[], KeptConnections] = KeptConnections,
        link_to: Callable[[str], str] = no_link,
        wall_now: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
        roll: Callable[[], float] = random.random,
        poll_s: float = POLL_S,
    ) -> None:
        self._outbox, self._connections, self._link_to = outbox, connections, link_to
        self._wall_now, self._now, self._roll, self._poll_s = wall_now, now, roll, poll_s
        self._threads = Threads(4)
        self._lanes: dict[str, _Lane] = {}
        self._settled: list[Settled] = []
        """What is to be written down."""
        self._gone: list[Webhook] = []
        """Who wants nothing more, which is to be written down, too."""
        self._has_settled = asyncio.Event()
        self._is_away = False

    @property
    def outbox(self) -> Outbox[Webhook]:
        """Where deliveries lie, and what came of them."""
        return self._outbox

    async def send_forever(self) -> NoReturn:
        """Claims what is due and sends it, until it is cancelled."""
        self._lanes = {name: _Lane(webhook) for name, webhook in self._outbox.receivers.items()}
        async with self._connections() as connections, asyncio.TaskGroup() as tasks:
            posting = Posting(connections, link_to=self._link_to, wall_now=self._wall_now)
            while True:
                self._has_settled.clear()
                for delivery in await self._claimed():
                    lane = self._lanes[delivery.webhook]
                    lane.claimed += 1
                    tasks.create_task(self._deliver(lane, delivery, posting), name=f"delivery {delivery.id}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AWAY_S if self._is_away else self._poll_s):
                        await self._has_settled.wait()

    async def _claimed(self) -> list[Delivery]:
        """What is to be sent next. What was sent is written down before."""
        free = {name: lane.free(self._now()) for name, lane in self._lanes.items()}
        settled, gone, self._settled, self._gone = self._settled, self._gone, [], []

        def ask() -> list[Delivery]:
            for webhook in gone:
                self._outbox.stop(webhook, self._wall_now())
            if settled:
                self._outbox.settle(settled)
            return self._outbox.claim(free, self._wall_now())

        try:
            claimed = await in_thread(self._threads, ask, "outbox")
        except RecordsError as away:
            # Written down later. If its lease ends before, it is sent once more, under the same id.
            self._settled[:0], self._gone[:0] = settled, gone
            if not self._is_away:
                _log.warning("webhooks_wait", reason=str(away))
            self._is_away = True
            return []
        self._is_away = False
        return claimed

    async def _deliver(self, lane: _Lane, delivery: Delivery, posting: Posting) -> None:
        try:
            async with lane.turns:
                # It was claimed before the receiver asked for rest: it is given back.
                settled = Settled(delivery)
                if not lane.is_resting(self._now()):
                    settled = await self._attempted(lane, delivery, posting)
            self._settled.append(settled)
        finally:
            lane.claimed -= 1
            self._has_settled.set()

    async def _attempted(self, lane: _Lane, delivery: Delivery, posting: Posting) -> Settled:
        began, at = self._now(), self._wall_now()
        posted = await posting.post(lane.webhook, delivery.event)
        attempt = Attempt(at, posted.code, posted.error, round((self._now() - began) * 1000))
        follows = _verdict(posted, delivery, self._roll())
        state = _state(posted, follows)
        if follows.is_gone:
            self._gone.append(lane.webhook)
        lane.rests_until = max(lane.rests_until, self._now() + follows.rest_s)
        lane.tell(delivery, attempt, state, follows)
        return Settled(delivery, attempt, state, self._wall_now() + (follows.again_s or 0.0))


class _Lane:
    """What is on its way to one receiver."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.claimed = 0
        self.rests_until = 0.0
        self._is_down = False

    def is_resting(self, now: float) -> bool:
        return now < self.rests_until

    def free(self, now: float) -> int:
        return 0 if self.is_resting(now) else CLAIMED_AHEAD - self.claimed

    def tell(self, delivery: Delivery, attempt: Attempt, state: DeliveryState, follows: Verdict) -> None:
        """A line when the receiver goes down, when it is back, and for what is given up. No words of it."""
        log = _log.bind(
            webhook=self.webhook.name, event_id=delivery.event.id, call_sid=delivery.event.call_sid
        )
        fields = {"code": attempt.code, "took_ms": attempt.took_ms, "failed": delivery.failed}
        if follows.is_gone:
            log.error("webhook_gone", **fields, remedy="callbridge deliveries retry sends again")
        elif state is DeliveryState.DEAD:
            log.error("webhook_dead", **fields, remedy="callbridge deliveries shows why, and sends again")
        elif state is DeliveryState.PENDING and not self._is_down:
            log.warning("webhook_down", **fields, again_in_s=round(follows.again_s or 0.0))
        elif state is DeliveryState.DONE and self._is_down:
            log.info("webhook_back", **fields)
        else:
            log.debug("webhook_sent", **fields, state=state.value)
        if state in {DeliveryState.DONE, DeliveryState.PENDING}:
            self._is_down = state is DeliveryState.PENDING


def _verdict(posted: Posted, delivery: Delivery, roll: float) -> Verdict:
    if posted.is_skipped or posted.is_hopeless:
        return Verdict()
    return verdict(posted.code, delivery.failed, roll, posted.asked_s)


def _state(posted: Posted, follows: Verdict) -> DeliveryState:
    if posted.is_skipped:
        return DeliveryState.SKIPPED
    if follows.is_done:
        return DeliveryState.DONE
    return DeliveryState.DEAD if follows.again_s is None else DeliveryState.PENDING


# --- Put together -------------------------------------------------------------------------------------


def open_sending(
    database: Database,
    webhooks: Sequence[Webhook],
    wall_now: Callable[[], float],
    link_to: Callable[[str], str],
) -> WebhookSending:
    """The sender of what lies in this database. `link_to` gives the address of a recording."""
    # SQLAlchemy takes a fifth of a second to import; who tells nobody does not wait for it.
    from callbridge.records.outbox.deliveries import Outbox  # noqa: PLC0415 - see the line above

    outbox = Outbox(database, webhooks)
    return WebhookSending(outbox, wall_now=wall_now, link_to=link_to, poll_s=POLL_S)


def telling_of_ends(receivers: Sequence[Receiver], wall_now: Callable[[], float]) -> list[Outgrowth]:
    """What has these receivers told of each call that has ended."""
    if not receivers:
        return []
    from callbridge.records.outbox.deliveries import enqueue_completed  # noqa: PLC0415 - as above

    return [enqueue_completed(receivers, wall_now)]


def telling_of_analyses(receivers: Sequence[Receiver], wall_now: Callable[[], float]) -> list[Outgrowth]:
    """What has them told of each call that a text model has looked at."""
    if not receivers:
        return []
    from callbridge.records.outbox.deliveries import enqueue_analyzed  # noqa: PLC0415 - as above

    return [enqueue_analyzed(receivers, wall_now)]


def telling_of_facts(receivers: Sequence[Receiver], wall_now: Callable[[], float]) -> list[Witness]:
    """What has them told of facts as they come; nothing where nobody wants any."""
    seen = (CALL_RECORDED, *(FACT + kind for kind in FACT_KINDS))
    if not any(receiver.wants(kind) for receiver in receivers for kind in seen):
        return []
    from callbridge.records.outbox.deliveries import enqueue_seen  # noqa: PLC0415 - as above

    return [enqueue_seen(receivers, wall_now)]
