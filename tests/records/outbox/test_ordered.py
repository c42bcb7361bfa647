"""Claims that keep the order of each call; the same with PostgreSQL."""

from __future__ import annotations

import random
import threading

import pytest

from callbridge.records.database import Database
from callbridge.records.outbox.deliveries import Outbox, enqueue
from callbridge.records.outbox.delivery import Attempt, Delivery, DeliveryState, Settled
from callbridge.records.outbox.events import Event, event_id
from callbridge.records.outbox.subjects import NatsReceiver

NOW = 1_764_345_600.0
LEASE_S = 30.0
NATS = NatsReceiver(subject="callbridge", stream="callbridge", events=frozenset({"fact.*"}))
DONE, DEAD, PENDING = DeliveryState.DONE, DeliveryState.DEAD, DeliveryState.PENDING


@pytest.fixture
def outbox(database: Database) -> Outbox[NatsReceiver]:
    return Outbox(database, (NATS,))


def fact(number: int, call_sid: str = "CA1") -> Event:
    return Event(
        event_id("fact.said", call_sid, str(number)), "fact.said", call_sid, NOW, f'{{"n":{number}}}'
    )


def put(outbox: Outbox[NatsReceiver], *events: Event) -> None:
    with outbox.database.writing() as connection:
        enqueue(connection, events, (NATS,), NOW)


def claimed(outbox: Outbox[NatsReceiver], now: float = NOW, count: int = 100) -> list[Delivery]:
    return outbox.claim_in_order("nats", count, now, LEASE_S)


def settle(outbox: Outbox[NatsReceiver], *deliveries: Delivery, state: DeliveryState = DONE) -> None:
    assert outbox.settle(Settled(one, Attempt(NOW, None), state) for one in deliveries) == len(deliveries)


def test_a_call_is_claimed_as_far_as_it_goes(outbox: Outbox[NatsReceiver]) -> None:
    """And what comes later of it waits until that is settled; other calls do not."""
    put(outbox, fact(1), fact(1, "CA2"), fact(2), fact(3))
    first = claimed(outbox, count=3)
    assert [one.event for one in first] == [fact(1), fact(1, "CA2"), fact(2)]
    assert claimed(outbox) == []
    put(outbox, fact(1, "CA3"))
    assert [one.event for one in claimed(outbox)] == [fact(1, "CA3")]
    settle(outbox, *first)
    assert [one.event for one in claimed(outbox)] == [fact(3)]


def test_what_failed_holds_up_its_call_alone(outbox: Outbox[NatsReceiver]) -> None:
    """However often. What is given up holds up nothing more."""
    put(outbox, fact(1), fact(2), fact(1, "CA2"))
    for attempt in range(12):
        first, *rest = claimed(outbox, NOW + attempt)
        again = Settled(first, Attempt(NOW, None, "no"), PENDING, NOW + attempt + 1)
        outbox.settle([again, *map(Settled, rest)])
        others = claimed(outbox, NOW + attempt)
        assert [one.event for one in others] == [fact(1, "CA2")]
        outbox.settle(map(Settled, others))
    first, *rest = claimed(outbox, NOW + 12)
    settle(outbox, first, state=DEAD)
    outbox.settle(map(Settled, rest))
    assert [one.event for one in claimed(outbox, NOW + 12)] == [fact(2), fact(1, "CA2")]


def test_who_dies_with_a_claim_is_followed(outbox: Outbox[NatsReceiver]) -> None:
    """By one who gets all of it, in its order; what the first says then does not count."""
    put(outbox, fact(1), fact(2))
    first = claimed(outbox)
    assert claimed(outbox, NOW + LEASE_S - 1) == []
    second = claimed(outbox, NOW + LEASE_S)
    assert [one.event for one in second] == [fact(1), fact(2)]
    assert outbox.settle(Settled(one, Attempt(NOW, None), DONE) for one in first) == 0
    settle(outbox, *second)


@pytest.mark.heavy
def test_processes_that_send_beside_each_other_keep_the_order(
    database_url: str, outbox: Outbox[NatsReceiver]
) -> None:
    """While deliveries come, and some of them fail."""
    calls, facts_each = [f"CA{number}" for number in range(12)], 20
    told: dict[str, list[int]] = {call: [] for call in calls}
    is_written, begin = threading.Event(), threading.Barrier(4)

    def write() -> None:
        begin.wait()
        for number in range(facts_each):
            put(outbox, *(fact(number, call) for call in calls))
        is_written.set()

    def send(seed: int) -> None:
        own, dice = Database(database_url), random.Random(seed)
        mine = Outbox(own, (NATS,))
        begin.wait()
        while True:
            is_last = is_written.is_set()
            found = claimed(mine, count=dice.randint(1, 40))
            settled, failed = list[Settled](), set[str]()
            for one in found:
                call = one.event.call_sid
                if call in failed or dice.random() < 0.1:
                    failed.add(call)
                    settled.append(Settled(one))
                    continue
                told[call].append(one.event.fact["n"])
                settled.append(Settled(one, Attempt(NOW, None), DONE))
            mine.settle(settled)
            if is_last and not mine.counts().get(("nats", PENDING)):
                break
        own.close()

    threads = [
        threading.Thread(target=write),
        *(threading.Thread(target=send, args=(seed,)) for seed in range(3)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert told == {call: list(range(facts_each)) for call in calls}
