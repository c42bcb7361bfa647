"""The sender of NATS: a real database and a real nats-server, which is stopped, hangs and refuses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from callbridge.records.database import Database
from callbridge.records.errors import RecordsAway
from callbridge.records.migrating import migrate
from callbridge.records.outbox.deliveries import Outbox, enqueue
from callbridge.records.outbox.delivery import DeliveryState, Filter
from callbridge.records.outbox.events import Event, event_id
from callbridge.records.outbox.sample import sample_event
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.server.config.nats import NatsServers
from callbridge.server.process.outbox import nats_connection, nats_sending
from callbridge.server.process.outbox.nats_sending import NatsSending
from leftovers import leaves_nothing, until
from nats_server import JETSTREAM, NatsServer, nats_server
from nats_streams import kept_in
from wires import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytest.importorskip("nats")

PENDING, DONE, DEAD = DeliveryState.PENDING, DeliveryState.DONE, DeliveryState.DEAD


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as made:
        yield made


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/records.db")
    migrate(made)
    yield made
    made.close()


class Rig:
    """An outbox that is told to a stream of its own."""

    def __init__(self, database: Database, server: NatsServer, stream: str) -> None:
        self.server, self.numbers = server, dict[str, int]()
        self.receiver = NatsReceiver(
            subject=stream, stream=stream, events=frozenset({"fact.*", "call.completed"})
        )
        self.servers = NatsServers(addresses=(f"127.0.0.1:{server.port}",))
        self.outbox = Outbox(database, (self.receiver,))

    def put(self, *call_sids: str, words: str = "") -> list[str]:
        """The next fact of each of these calls; answers their ids."""
        return self.put_events(*(self._fact(call_sid, words) for call_sid in call_sids))

    def _fact(self, call_sid: str, words: str) -> Event:
        number = self.numbers[call_sid] = self.numbers.get(call_sid, 0) + 1
        content = json.dumps({"kind": "said", "call_sid": call_sid, "number": number, "words": words})
        return Event(
            event_id("fact.said", call_sid, str(number)), "fact.said", call_sid, time.time(), content
        )

    def put_events(self, *events: Event) -> list[str]:
        with self.outbox.database.writing() as connection:
            enqueue(connection, events, (self.receiver,), time.time())
        return [event.id for event in events]

    def count(self, state: DeliveryState) -> int:
        return self.outbox.counts().get(("nats", state), 0)

    @contextlib.asynccontextmanager
    async def sending(self, **changes: Any) -> AsyncIterator[NatsSending]:
        given: dict[str, Any] = {"roll": lambda: 0.5, "poll_s": 0.01}
        sending = NatsSending(self.outbox, self.receiver, self.servers, **(given | changes))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sending.send_forever())
            try:
                yield sending
            finally:
                running.cancel()

    async def kept(self) -> list[tuple[str, int]]:
        """The calls and numbers of the facts that the stream has, in its order."""
        kept = await kept_in(self.server.url, self.receiver.stream)
        return [(one.data["call_sid"], one.data["number"]) for one in kept]


@pytest.fixture
def impatient(soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer is not waited for as long as in earnest."""
    monkeypatch.setattr(nats_connection, "ACK_S", 0.3)
    monkeypatch.setattr(nats_connection, "CONNECT_S", 1.0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault it is tried again at once."""
    monkeypatch.setattr(nats_sending, "REST_FIRST_S", 0.02)
    monkeypatch.setattr(nats_sending, "REST_MAX_S", 0.1)
    monkeypatch.setattr(nats_sending, "AGAIN_MAX_S", 0.05)


async def test_calls_are_told_each_in_its_order(database: Database, server: NatsServer) -> None:
    """Under subjects that consumers filter by; what is sent a second time is not kept twice."""
    rig = Rig(database, server, "order")
    first, *_ = rig.put(*(["CA1", "CA2", "CA1"] * 20))
    async with leaves_nothing(), rig.sending():
        assert await until(lambda: rig.count(DONE) == 60)
        rig.outbox.send_again(time.time(), delivery_id=1)
        assert await until(lambda: len(rig.outbox.found(1).attempts) == 2)  # type: ignore[union-attr]
    kept = await rig.kept()
    assert [number for call, number in kept if call == "CA1"] == list(range(1, 41))
    assert [number for call, number in kept if call == "CA2"] == list(range(1, 21))
    of_one = await kept_in(server.url, "order", "order.*.*.CA2")
    assert {one.subject for one in of_one} == {"order.fact.said.CA2"}
    assert len(of_one) == 20
    (message, *_) = await kept_in(server.url, "order")
    assert (message.event_id, message.headers["Callbridge-Event"]) == (first, "fact.said")
    assert message.body["type"] == "fact.said"


async def test_a_server_that_is_away_is_waited_for(database: Database, soon: None) -> None:
    """Nothing is lost, nothing changes places; that it is away is said once, and that it is back."""
    with nats_server() as server, capture_logs() as lines:
        rig = Rig(database, server, "away")
        async with leaves_nothing(), rig.sending():
            rig.put("CA1", "CA2", "CA1")
            assert await until(lambda: rig.count(DONE) == 3)
            await asyncio.to_thread(server.stop)
            rig.put("CA1", "CA2", "CA1")
            assert await until(lambda: rig.outbox.listed(Filter(state=PENDING))[-1].failed > 1)
            (oldest,) = rig.outbox.listed(Filter(state=PENDING))[-1:]
            assert "it cannot be reached" in oldest.last_error
            await asyncio.to_thread(server.start)
            assert await until(lambda: rig.count(DONE) == 6)
        assert [number for call, number in await rig.kept() if call == "CA1"] == [1, 2, 3, 4]
        assert len(await rig.kept()) == 6
    told = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert told == ["nats_ready", "nats_down", "nats_back"]


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_what_was_not_acknowledged_is_sent_again(
    database: Database, impatient: None, how: signal.Signals
) -> None:
    """To a server that hangs and goes on, or that was killed: in order, and kept once."""
    with nats_server() as server:
        rig = Rig(database, server, "hangs")
        async with leaves_nothing(), rig.sending():
            rig.put(*["CA1", "CA2"] * 200)
            assert await until(lambda: rig.count(DONE) > 0)
            if how is signal.SIGSTOP:
                server.pause()
            else:
                await asyncio.to_thread(server.stop, how)
            assert await until(lambda: any(one.failed for one in rig.outbox.listed(Filter(limit=1000))))
            rig.put(*["CA1", "CA2"] * 20)
            if how is signal.SIGSTOP:
                server.resume()
            else:
                await asyncio.to_thread(server.start)
            assert await until(lambda: rig.count(DONE) == 440)
        for call in ("CA1", "CA2"):
            assert [number for sid, number in await rig.kept() if sid == call] == list(range(1, 221))


@pytest.mark.heavy
@pytest.mark.parametrize("held", ["requests", "answers"])
async def test_a_wire_that_stalls_changes_nothing(
    database: Database, server: NatsServer, impatient: None, held: str
) -> None:
    """Acks that never come, and messages that come when they were long sent again over another connection."""
    async with leaves_nothing(), Wire(server.port) as wire:
        rig = Rig(database, server, f"stalled-{held}")
        rig.servers = NatsServers(addresses=(f"127.0.0.1:{wire.port}",))
        async with rig.sending():
            rig.put(*["CA1", "CA2"] * 10)
            assert await until(lambda: rig.count(DONE) == 20)
            getattr(wire, held).clear()
            rig.put(*["CA1", "CA2"] * 10)
            assert await until(lambda: any(one.failed for one in rig.outbox.listed(Filter(limit=100))))
            assert await until(lambda: wire.connections > 2)
            getattr(wire, held).set()
            assert await until(lambda: rig.count(DONE) == 40)
    for call in ("CA1", "CA2"):
        assert [number for sid, number in await rig.kept() if sid == call] == list(range(1, 21))


async def test_a_message_that_is_never_kept_holds_up_nothing(database: Database, soon: None) -> None:
    """It is dead, and its reason is told; a call that is too long loses parts instead."""
    small = JETSTREAM + "\nmax_payload: 2048"
    with nats_server(small) as server, capture_logs() as lines:
        rig = Rig(database, server, "small")
        rig.put("CA1")
        (large,) = rig.put("CA1", words="x" * 5000)
        rig.put("CA1")
        (call,) = rig.put_events(sample_event(time.time()))
        async with leaves_nothing(), rig.sending():
            assert await until(lambda: (rig.count(DONE), rig.count(DEAD)) == (3, 1))
        kept = {one.event_id: one for one in await kept_in(server.url, "small")}
    (dead,) = rig.outbox.listed(Filter(state=DEAD))
    assert dead.event.id == large
    assert "the server takes 1536" in dead.last_error
    assert kept[call].data["left_out"]
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["event_id"]) == ("nats_dead", large)


@pytest.mark.heavy
async def test_a_database_that_is_away_is_waited_for(
    database: Database, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept and could not be written down is sent again, and kept once."""
    monkeypatch.setattr(nats_sending, "AWAY_S", 0.01)
    rig, settle, asked = Rig(database, server, "base"), Outbox.settle, [0]
    rig.put("CA1", "CA1")

    def away(self: Any, settled: Any) -> int:
        asked[0] += 1
        if asked[0] == 1:
            raise RecordsAway("the server is away")
        return settle(self, settled)

    monkeypatch.setattr(Outbox, "settle", away)
    with capture_logs() as lines:
        async with leaves_nothing(), rig.sending(lease_s=0.2):
            assert await until(lambda: rig.count(DONE) == 2)
    assert await rig.kept() == [("CA1", 1), ("CA1", 2)]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["nats_waits"]


def test_few_are_claimed_where_they_are_long() -> None:
    """So that no more is in memory than a few MB; and more again where they are short, step by step."""
    assert nats_sending.next_count([200] * 64) == 128
    assert nats_sending.next_count([200] * 256) == 256
    assert nats_sending.next_count([1024 * 1024] * 64) == 4
    assert nats_sending.next_count([9 * 1024 * 1024]) == 1
    assert nats_sending.next_count([200] * 4) == 64


KILLED = """
import asyncio, sys
from callbridge.records.database import Database
from callbridge.records.outbox.deliveries import Outbox
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.server.config.nats import NatsServers
from callbridge.server.process.outbox.nats_sending import NatsSending

receiver = NatsReceiver(subject="killed", stream="killed", events=frozenset({"fact.*"}))
outbox = Outbox(Database(sys.argv[1]), (receiver,))
settle, claim = outbox.settle, outbox.claim_in_order
def settles(settled):
    print("sent", flush=True)
    sys.stdin.readline()
outbox.settle = settles
asyncio.run(NatsSending(outbox, receiver, NatsServers(addresses=(sys.argv[2],)), lease_s=2.0).send_forever())
"""


@pytest.mark.heavy
async def test_kill_9_loses_nothing(database: Database, server: NatsServer) -> None:
    """All was sent and nothing of it written down: the next one sends it again, and the stream knows it."""
    rig = Rig(database, server, "killed")
    rig.put(*["CA1", "CA2"] * 10)
    async with leaves_nothing():
        arguments = [sys.executable, "-c", KILLED, str(database.url), rig.servers.name]
        victim = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603
        assert victim.stdout is not None
        while await asyncio.to_thread(victim.stdout.readline) != "sent\n":
            pass
        os.kill(victim.pid, signal.SIGKILL)
        await asyncio.to_thread(victim.communicate)
        assert len(await rig.kept()) == 20
        assert rig.count(PENDING) == 20
        async with rig.sending():
            assert await until(lambda: rig.count(DONE) == 20)
    assert [number for call, number in await rig.kept() if call == "CA2"] == list(range(1, 11))
    assert len(await rig.kept()) == 20


@pytest.mark.heavy
async def test_a_server_that_hangs_keeps_nobody_from_leaving(database: Database) -> None:
    """What was on its way is another process's, or the next one's."""
    with nats_server() as server:
        rig = Rig(database, server, "leaving")
        async with leaves_nothing():
            async with rig.sending():
                rig.put("CA1")
                assert await until(lambda: rig.count(DONE) == 1)
                server.pause()
                rig.put("CA1", "CA2", words="x" * 100_000)
                assert await until(lambda: all(one.lease for one in rig.outbox.listed(Filter(state=PENDING))))
                began = time.monotonic()
            assert time.monotonic() - began < nats_connection.CLOSE_S + 2
    assert rig.count(PENDING) == 2
