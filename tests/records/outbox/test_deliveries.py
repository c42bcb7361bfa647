"""The outbox in the database: written once, claimed by one, settled; the same with PostgreSQL."""

from __future__ import annotations

import base64
import dataclasses
import threading

import msgspec
import pytest

from callbridge.call import facts
from callbridge.records.database import Database
from callbridge.records.outbox import deliveries
from callbridge.records.outbox.deliveries import LEASE_S, Outbox, enqueue, enqueue_completed, enqueue_seen
from callbridge.records.outbox.delivery import Attempt, Delivery, DeliveryState, Filter, Settled
from callbridge.records.outbox.events import CALL_COMPLETED, Event, event_id
from callbridge.records.outbox.sample import sample_story
from callbridge.records.outbox.webhook import Webhook
from callbridge.records.sealing import Seal
from records.shipments import HANGUP, STARTED, entry, store

NOW = 1_764_345_600.0
DONE, DEAD, PENDING = DeliveryState.DONE, DeliveryState.DEAD, DeliveryState.PENDING


def webhook(name: str, *events: str, url: str = "https://x.example") -> Webhook:
    return Webhook(name=name, url=url, events=frozenset(events or {CALL_COMPLETED}))


CRM, SLACK = webhook("crm", "call.completed", "fact.*"), webhook("slack")


@pytest.fixture
def outbox(database: Database) -> Outbox[Webhook]:
    return Outbox(database, (CRM, SLACK))


def put(database: Database, *events: Event) -> None:
    with database.writing() as connection:
        enqueue(connection, events, (CRM, SLACK), NOW)


def fact(number: int, call_sid: str = "CA1") -> Event:
    return Event(event_id("fact.said", call_sid, str(number)), "fact.said", call_sid, NOW, "{}")


def claimed(outbox: Outbox[Webhook], now: float = NOW, free: int = 4) -> list[Delivery]:
    return outbox.claim({"crm": free, "slack": free}, now)


def settled(
    outbox: Outbox[Webhook], delivery: Delivery, attempt: Attempt, state: DeliveryState, due_at: float = 0.0
) -> bool:
    return outbox.settle([Settled(delivery, attempt, state, due_at)]) == 1


def failed(outbox: Outbox[Webhook], delivery: Delivery, due_at: float, at: float = NOW) -> None:
    assert settled(outbox, delivery, Attempt(at, 500, "it answered 500", 12), PENDING, due_at=due_at)


def test_an_end_is_told_to_whom_it_concerns_once(database: Database, outbox: Outbox[Webhook]) -> None:
    """However often it is written down; and a call that was declined is no call."""
    grow = enqueue_completed((CRM, SLACK, webhook("other", "call.analyzed")), lambda: NOW)
    story = sample_story(NOW - 5)
    for told in (story, story, msgspec.structs.replace(story, call_sid="CA2", state="declined")):
        with database.writing() as connection:
            grow(connection, told)
    first, second = claimed(outbox)
    assert (first.webhook, second.webhook) == ("crm", "slack")
    assert first.event.id == second.event.id == event_id(CALL_COMPLETED, story.call_sid)
    assert first.event.story == story
    assert (first.event.at, first.due_at, first.state) == (NOW - 5, NOW, PENDING)


def test_what_is_not_written_down_is_not_told(database: Database, outbox: Outbox[Webhook]) -> None:
    """The delivery is of the same transaction as what it tells of."""

    def broken() -> None:
        with database.writing() as connection:
            enqueue(connection, [fact(1)], (CRM,), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert claimed(outbox) == []


def test_a_claim_is_for_one_alone_until_it_is_over(database: Database, outbox: Outbox[Webhook]) -> None:
    """Who dies with it is followed by another; what the first says then does not count."""
    put(database, fact(1))
    (first,) = claimed(outbox)
    assert claimed(outbox, NOW + LEASE_S - 1) == []
    (second,) = claimed(outbox, NOW + LEASE_S)
    assert second.event == first.event
    assert not settled(outbox, first, Attempt(NOW, 200), DONE)
    assert settled(outbox, second, Attempt(NOW, 200), DONE)
    assert claimed(outbox, NOW + 9 * LEASE_S) == []


def test_what_is_not_attempted_is_given_back(database: Database, outbox: Outbox[Webhook]) -> None:
    put(database, fact(1))
    first = claimed(outbox)
    assert outbox.settle(map(Settled, first)) == 1
    (again,) = claimed(outbox)
    assert (again.failed, again.attempts, again.due_at) == (0, (), NOW)


def test_what_came_of_it_is_counted_for_who_watches(database: Database, outbox: Outbox[Webhook]) -> None:
    put(database, fact(1), fact(2, "CA2"), fact(3, "CA3"))
    assert outbox.waiting() == {"crm": 3, "slack": 0}
    first, second, third = claimed(outbox)
    failed(outbox, first, NOW + 10)
    assert settled(outbox, second, Attempt(NOW, 204), DONE)
    outbox.settle([Settled(third)])
    assert outbox.settled == {("crm", PENDING): 1, ("crm", DONE): 1}, "what was not attempted does not count"
    assert outbox.waiting() == {"crm": 2, "slack": 0}


def test_what_failed_comes_again_when_it_is_due(database: Database, outbox: Outbox[Webhook]) -> None:
    put(database, fact(1))
    failed(outbox, claimed(outbox)[0], NOW + 5)
    assert claimed(outbox, NOW + 4.9) == []
    (again,) = claimed(outbox, NOW + 5)
    assert (again.failed, again.last_code, again.last_error) == (1, 500, "it answered 500")
    assert settled(outbox, again, Attempt(NOW + 6, None, "the service cannot be reached"), DEAD)
    (dead,) = outbox.listed(Filter(state=DEAD))
    assert (dead.failed, dead.settled_at, dead.last_code) == (2, NOW + 6, None)
    assert [attempt.error for attempt in dead.attempts] == [
        "it answered 500",
        "the service cannot be reached",
    ]
    assert claimed(outbox, NOW + 1e6) == []


def test_what_belongs_to_one_call_goes_in_order(database: Database, outbox: Outbox[Webhook]) -> None:
    """As long as its first part may still come soon. Another call does not wait for it."""
    put(database, fact(1), fact(2), fact(1, "CA2"))
    first, other = claimed(outbox)
    assert (first.event, other.event) == (fact(1), fact(1, "CA2"))
    failed(outbox, first, NOW + 1)
    assert claimed(outbox) == []
    failed(outbox, claimed(outbox, NOW + 1)[0], NOW + 2)
    failed(outbox, claimed(outbox, NOW + 2)[0], NOW + 1000)
    (second,) = claimed(outbox, NOW + 3)
    assert second.event == fact(2)


def test_a_receiver_that_is_gone_gets_nothing_more(database: Database, outbox: Outbox[Webhook]) -> None:
    """Until an operator wants it, or it has another address."""
    put(database, fact(1), fact(2, "CA2"))
    first = claimed(outbox, free=1)[0]
    outbox.stop(CRM, NOW)
    assert settled(outbox, first, Attempt(NOW, 410), DEAD)
    assert claimed(outbox) == []
    assert {one.last_error for one in outbox.listed(Filter(state=DEAD))} == {
        "",
        "it answered 410 Gone at 2025-11-28T16:00:00.000Z, and is told nothing more",
    }
    put(database, fact(3))
    assert claimed(outbox) == []
    moved = Outbox(database, (webhook("crm", "fact.*", url="https://y.example"),))
    put(database, fact(4, "CA4"))
    assert [one.event for one in moved.claim({"crm": 4}, NOW)] == [fact(4, "CA4")]
    assert outbox.send_again(NOW, webhook="crm") == 3
    assert outbox.stopped() == {}
    assert [one.event.call_sid for one in claimed(outbox)] == ["CA1", "CA2"]


def test_an_operator_has_it_sent_again(database: Database, outbox: Outbox[Webhook]) -> None:
    """One, all dead ones, or a call as it is known now: under the same id, with its attempts."""
    put(database, fact(1), fact(1, "CA2"))
    for delivery in claimed(outbox):
        settled(outbox, delivery, Attempt(NOW, 404, "no"), DEAD)
    number = outbox.listed(Filter(call_sid="CA2"))[0].id
    assert outbox.send_again(NOW, delivery_id=number) == 1
    (again,) = claimed(outbox)
    assert (again.id, again.failed, len(again.attempts)) == (number, 0, 1)
    assert outbox.send_again(NOW) == 1
    story = sample_story(NOW)
    assert outbox.send_call(story, CALL_COMPLETED, NOW) == 2
    changed = msgspec.structs.replace(story, agent="another")
    assert outbox.send_call(changed, CALL_COMPLETED, NOW) == 2
    found = outbox.listed(Filter(call_sid=story.call_sid))
    assert [one.event.story.agent for one in found] == ["another", "another"]
    assert outbox.found(found[0].id) == found[0]
    assert outbox.found(4711) is None
    assert outbox.counts() == {("crm", PENDING): 3, ("slack", PENDING): 1}


@pytest.mark.heavy
def test_attempts_are_kept_within_bounds(
    database: Database, outbox: Outbox[Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "ATTEMPTS_KEPT", 3)
    put(database, fact(1))
    for number in range(5):
        (delivery,) = claimed(outbox, NOW + number)
        assert settled(outbox, delivery, Attempt(NOW + number, 500, "x" * 900), PENDING, due_at=NOW)
    (kept,) = outbox.listed(Filter())
    assert [attempt.at for attempt in kept.attempts] == [NOW + 2, NOW + 3, NOW + 4]
    assert len(kept.last_error) == len(kept.attempts[0].error) == 300


@pytest.mark.heavy
def test_two_processes_share_one_outbox(database_url: str, database: Database) -> None:
    """Each delivery is claimed by one of them, however they come in each other's way."""
    put(database, *(fact(1, f"CA{number}") for number in range(24)))
    seen: list[int] = []
    begin = threading.Barrier(2)

    def process() -> None:
        own = Database(database_url)
        outbox = Outbox(own, (CRM, SLACK))
        begin.wait()
        while found := claimed(outbox, free=3):
            seen.extend(one.id for one in found)
            for one in found:
                assert settled(outbox, one, Attempt(NOW, 200), DONE)
        own.close()

    threads = [threading.Thread(target=process) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == len(set(seen)) == 24


def test_facts_are_told_as_they_are_written_down(database_url: str, database: Database) -> None:
    """Also where they are encrypted on their way, and nothing of it is readable in the outbox."""
    seal = Seal([base64.b64encode(bytes(32)).decode()])
    sealed = Database(database_url, seal=seal)
    said = entry("CA1", 1, facts.KeysPressed("4711", 1))
    lost = dataclasses.replace(said, number=2, body=b"sealed:nothing")
    see = enqueue_seen((CRM, SLACK), lambda: NOW)
    for _ in "12":
        with sealed.writing() as connection:
            rows = [dataclasses.replace(said, body=seal.seal(said.body)), lost]
            see(connection, rows, sealed.seal)
    (told,) = claimed(Outbox(sealed, (CRM, SLACK)))
    assert (told.webhook, told.event.kind, told.event.fact["keys"]) == ("crm", "fact.keys_pressed", "4711")
    assert told.event.at == said.at
    with database.reading() as connection:
        written = connection.exec_driver_sql("SELECT content FROM deliveries").scalar_one()
    assert written.startswith("sealed:")
    sealed.close()


def test_a_recording_is_told_with_all_of_its_call(database: Database) -> None:
    """It is stored after the end of the call, perhaps by another process. Each is told once."""
    own = webhook("own", "call.recorded")
    store(database, entry("CA1", 1, STARTED), entry("CA1", 2, HANGUP))
    stored = [dataclasses.replace(entry("CA1", number, HANGUP), kind="recording_stored") for number in (3, 4)]
    see = enqueue_seen((own,), lambda: NOW)
    for _ in "12":
        with database.writing() as connection:
            see(connection, stored, database.seal)
    outbox = Outbox(database, (own,))
    (first,) = outbox.claim({"own": 4}, NOW)
    assert settled(outbox, first, Attempt(NOW, 200), DONE)
    (second,) = outbox.claim({"own": 4}, NOW)
    assert {first.event.kind, second.event.kind} == {"call.recorded"}
    assert first.event.id != second.event.id
    assert (first.event.story.agent, first.event.story.state) == ("reception", "ended")
