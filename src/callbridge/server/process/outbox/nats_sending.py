"""Tells NATS what lies in the outbox: calls side by side, the parts of each call one after the other.

The next part of a call is sent when the stream has said that it keeps the one before. So they lie there in
their order, and what has failed holds up what comes after it, of that call alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.agents.tools.threads import Threads, ThreadsBusy
from callbridge.records.errors import RecordsError
from callbridge.records.outbox.body import body_of, no_link
from callbridge.records.outbox.delivery import Attempt, DeliveryState, Settled
from callbridge.records.outbox.schedule import JITTER
from callbridge.records.outbox.subjects import MessageTooLarge
from callbridge.server.process.outbox.nats_connection import nats_connection
from callbridge.server.process.outbox.nats_words import MessageRefused, NatsFault
from callbridge.server.process.own_threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from callbridge.records.database import Database
    from callbridge.records.outbox.deliveries import Outbox
    from callbridge.records.outbox.delivery import Delivery
    from callbridge.records.outbox.events import Event
    from callbridge.records.outbox.subjects import Message, NatsReceiver
    from callbridge.server.config.nats import NatsServers
    from callbridge.server.process.outbox.nats_connection import NatsConnection

CLAIMED_AT_ONCE: Final = 256
"""Deliveries of one pass: a claim, the sending, and what came of it in one more transaction."""

CLAIMED_AT_FIRST: Final = 64
CLAIMED_CHARACTERS: Final = 4 * 1024 * 1024
"""Of these as many as have about so many characters: whole calls are longer than facts, by far."""

CALLS_AT_ONCE: Final = 32
"""Messages of different calls that are on their way together."""

PASS_S: Final = 4.0
"""What is not sent by then is given back."""

LEASE_S: Final = 15.0
"""Longer than a pass with its last message, and much shorter than a stream knows what comes twice."""

REST_OF_PASS_MAX_S: Final = 0.5
"""After a pass it rests for as long as that took: calls share the core."""

POLL_S: Final = 1.0
"""How often the database is asked when nothing happens."""

AWAY_S: Final = 5.0
"""The same when it is away."""

REST_FIRST_S: Final = 1.0
REST_MAX_S: Final = 30.0
"""After a fault of NATS: twice as long each time, a fifth more or less by chance."""

AGAIN_MAX_S: Final = 60.0
"""A message that was not kept is sent again after so long at the most, and as long as there is a database."""

MAKING_S: Final = 4.0
"""What the making of one message may take."""

SHORT: Final = 4096
"""Characters of a fact: its body is made sooner than a thread is there."""

_log = structlog.get_logger()


class NatsSending:
    """The sender of one process.

    Args:
        outbox: where deliveries lie.
        receiver: the stream.
        servers: how it is reached.
        link_to: the address of a recording by its name; empty for none.
        wall_now: seconds since 1970.
        now: a monotonic clock, in seconds.
        roll: from 0 to 1, by chance.
        poll_s: how often the database is asked when nothing happens.
        lease_s: after so long another process sends what this one has claimed.
    """

    def __init__(
        self,
        outbox: Outbox[NatsReceiver],
        receiver: NatsReceiver,
        servers: NatsServers,
        *,
        link_to: Callable[[str], str] = no_link,
        wall_now: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
        roll: Callable[[], float] = random.random,
        poll_s: float = POLL_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self._outbox, self._receiver, self._servers, self._link_to = outbox, receiver, servers, link_to
        self._wall_now, self._now, self._roll = wall_now, now, roll
        self._poll_s, self._lease_s = poll_s, lease_s
        self._threads = Threads(4)
        self._faults = 0
        """How many there were, one after the other."""
        self._is_told, self._is_database_away = False, False

    @property
    def outbox(self) -> Outbox[NatsReceiver]:
        """Where deliveries lie, and what came of them."""
        return self._outbox

    @property
    def receiver(self) -> NatsReceiver:
        """Who is told."""
        return self._receiver

    async def send_forever(self) -> NoReturn:
        """Claims what is due and sends it, until it is cancelled."""
        while True:
            is_reached = False
            try:
                async with nats_connection(self._receiver, self._servers) as connection:
                    is_reached = True
                    await self._send_over(connection)
            except NatsFault as fault:
                self._tell_down(fault)
                if not is_reached:
                    await self._note_unreached(str(fault))
            await asyncio.sleep(self._rest_s())

    async def _send_over(self, connection: NatsConnection) -> NoReturn:
        """Raises `NatsFault` when the connection is no good any more."""
        settled: list[Settled] = []
        count = CLAIMED_AT_FIRST
        while True:
            claimed = await self._claimed(settled, count)
            settled = []
            if claimed:
                count = next_count([len(delivery.event.content) for delivery in claimed])
                done = await self._sent(connection, claimed)
                done.tell_dead()
                settled = done.settled()
                if done.fault is not None:
                    await self._claimed(settled, 0)
                    raise done.fault
            self._tell_up()
            if claimed:
                await asyncio.sleep(min(done.took_ms / 1000, REST_OF_PASS_MAX_S))
            else:
                await self._wait(connection)

    async def _wait(self, connection: NatsConnection) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_S if self._is_database_away else self._poll_s):
                await connection.broken.wait()
        if connection.broken.is_set():
            raise connection.fault

    async def _claimed(self, settled: list[Settled], count: int) -> list[Delivery]:
        """What is to be sent next. What became of the last ones is written down before."""

        def ask() -> list[Delivery]:
            now = self._wall_now()
            if settled:
                self._outbox.settle(settled)
            return (
                self._outbox.claim_in_order(self._receiver.name, count, now, self._lease_s) if count else []
            )

        try:
            claimed = await in_thread(self._threads, ask, "outbox of NATS")
        except RecordsError as away:
            # What is not written down is sent once more when its claim is over, under the same id.
            if not self._is_database_away:
                _log.warning("nats_waits", reason=str(away))
            self._is_database_away = True
            return []
        self._is_database_away = False
        return claimed

    # --- A pass

    async def _sent(self, connection: NatsConnection, claimed: list[Delivery]) -> _Pass:
        calls: dict[str, list[Delivery]] = {}
        for delivery in claimed:
            calls.setdefault(delivery.event.call_sid, []).append(delivery)
        done = _Pass(claimed, self._wall_now(), self._now())
        turns = asyncio.Semaphore(CALLS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for deliveries in calls.values():
                tasks.create_task(self._send_call(connection, deliveries, done, turns))
        done.took_ms = round((self._now() - done.began) * 1000)
        return done

    async def _send_call(
        self,
        connection: NatsConnection,
        deliveries: Iterable[Delivery],
        done: _Pass,
        turns: asyncio.Semaphore,
    ) -> None:
        for delivery in deliveries:
            async with turns:
                if done.fault is not None or self._now() > done.began + PASS_S:
                    return
                try:
                    await connection.publish(await self._message(delivery.event, connection.bytes_max))
                except (MessageTooLarge, MessageRefused) as refusal:
                    done.dead[delivery.id] = str(refusal)
                except NatsFault as fault:
                    if done.fault is None:
                        done.fault, done.failed = fault, delivery
                    return
                else:
                    done.kept.add(delivery.id)

    async def _message(self, event: Event, bytes_max: int) -> Message:
        """Made in a thread where it may be long, or the link to a recording slow."""

        def make() -> Message:
            return self._receiver.message(event, body_of(event, self._link_to), bytes_max)

        try:
            if not event.is_of_call and len(event.content) < SHORT:
                return make()
            async with asyncio.timeout(MAKING_S):
                return await in_thread(self._threads, make, "message for NATS")
        except MessageTooLarge:
            raise
        except (TimeoutError, ThreadsBusy):
            raise NatsFault(f"a message took longer than {MAKING_S:g} s to make") from None
        except Exception as error:  # A fault of ours costs this message, and none that follows.
            _log.exception("nats_message_failed", event_id=event.id)
            raise MessageRefused(f"a fault of ours: {type(error).__name__} in the making of it") from error

    # --- What came of it

    def _tell_up(self) -> None:
        if self._faults:
            _log.info("nats_back", server=self._servers.name, stream=self._receiver.stream)
        elif not self._is_told:
            _log.info("nats_ready", server=self._servers.name, stream=self._receiver.stream)
        self._faults, self._is_told = 0, True

    def _tell_down(self, fault: NatsFault) -> None:
        self._faults += 1
        if self._faults == 1:
            follows = "what calls have to tell waits in the outbox; it is tried again"
            _log.warning("nats_down", server=self._servers.name, reason=str(fault), follows=follows)

    async def _note_unreached(self, reason: str) -> None:
        """Operators find the reason where they look for what was not told: with the oldest of it."""
        at = self._wall_now()
        unsent = [Settled(one, Attempt(at, None, reason), due_at=at) for one in await self._claimed([], 1)]
        if unsent:
            await self._claimed(unsent, 0)

    def _rest_s(self) -> float:
        rest_s = min(REST_FIRST_S * 2.0 ** min(self._faults - 1, 10), REST_MAX_S)
        return rest_s * (1 + JITTER * (2 * self._roll() - 1))


def next_count(lengths: Sequence[int]) -> int:
    """How many deliveries are claimed next, as those now at hand have these lengths in characters."""
    fitting = CLAIMED_CHARACTERS * len(lengths) // max(sum(lengths), 1)
    return min(max(fitting, 1), 2 * max(len(lengths), CLAIMED_AT_FIRST // 2), CLAIMED_AT_ONCE)


@dataclass(slots=True)
class _Pass:
    """What becomes of the deliveries that were claimed together."""

    claimed: list[Delivery]
    at: float
    """In seconds since 1970; so all of them were attempted."""
    began: float
    """By a monotonic clock."""
    took_ms: int = 0
    kept: set[int] = field(default_factory=set)
    dead: dict[int, str] = field(default_factory=dict)
    """Why the stream will never take them."""
    fault: NatsFault | None = None
    failed: Delivery | None = None
    """The one at which it was noticed."""

    def settled(self) -> list[Settled]:
        """What is to be written down: most of it is the same for all, and one statement."""
        return [self._of(delivery) for delivery in self.claimed]

    def _of(self, delivery: Delivery) -> Settled:
        if delivery.id in self.kept:
            return Settled(delivery, Attempt(self.at, None, "", self.took_ms), DeliveryState.DONE, self.at)
        if (why := self.dead.get(delivery.id)) is not None:
            return Settled(delivery, Attempt(self.at, None, why, self.took_ms), DeliveryState.DEAD, self.at)
        if delivery is self.failed:
            again_at = self.at + min(2.0 ** min(delivery.failed, 10), AGAIN_MAX_S)
            return Settled(delivery, Attempt(self.at, None, str(self.fault), self.took_ms), due_at=again_at)
        return Settled(delivery)  # Given back.

    def tell_dead(self) -> None:
        """A line for each that is given up; never a word of it."""
        for delivery in self.claimed:
            if (why := self.dead.get(delivery.id)) is not None:
                _log.error(
                    "nats_dead",
                    event_id=delivery.event.id,
                    call_sid=delivery.event.call_sid,
                    reason=why,
                    remedy="callbridge deliveries shows it, and sends it again",
                )


def open_nats(
    database: Database,
    receiver: NatsReceiver,
    servers: NatsServers,
    wall_now: Callable[[], float],
    link_to: Callable[[str], str],
) -> NatsSending:
    """The sender of what lies in this database. `link_to` gives the address of a recording."""
    # SQLAlchemy takes a fifth of a second to import; who tells nobody does not wait for it.
    from callbridge.records.outbox.deliveries import Outbox  # noqa: PLC0415 - see the line above

    outbox = Outbox(database, (receiver,))
    return NatsSending(outbox, receiver, servers, wall_now=wall_now, link_to=link_to, poll_s=POLL_S)
