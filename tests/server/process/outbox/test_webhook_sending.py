"""The sender of a process: a real database and real sockets, and receivers that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from callbridge.records.database import Database
from callbridge.records.errors import RecordsAway
from callbridge.records.migrating import migrate
from callbridge.records.outbox.deliveries import LEASE_S, Outbox, enqueue
from callbridge.records.outbox.delivery import DeliveryState, Filter
from callbridge.records.outbox.events import Event, event_id
from callbridge.records.outbox.webhook import Webhook
from callbridge.server.process.outbox.webhook_sending import AT_ONCE, WebhookSending
from leftovers import leaves_nothing, until
from small_server import Asked, SmallServer, answered, small_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

DONE = answered("", status="204 No Content")


class Rig:
    """An outbox with receivers on one small server, by their paths, and a clock that stands."""

    def __init__(self, database: Database, server: SmallServer, *names: str) -> None:
        self.server = server
        self.webhooks = [
            Webhook(name=name, url=f"{server.origin}/{name}", events=frozenset({"fact.*"})) for name in names
        ]
        self.outbox = Outbox(database, self.webhooks)
        self.now = 1_764_345_600.0

    def put(self, number: int, *names: str) -> str:
        """Something to be told to these; answers its id. Each is of a call of its own."""
        event = Event(event_id("fact.said", f"CA{number}"), "fact.said", f"CA{number}", self.now, "{}")
        chosen = [one for one in self.webhooks if one.name in names]
        with self.outbox.database.writing() as connection:
            enqueue(connection, [event], chosen, self.now)
        return event.id

    def states(self) -> dict[str, set[str]]:
        return {
            one.name: {each.state.value for each in self.outbox.listed(Filter(webhook=one.name))}
            for one in self.webhooks
        }

    def asked(self, name: str) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.target == f"/{name}"]

    @contextlib.asynccontextmanager
    async def sending(self, **changes: Any) -> AsyncIterator[WebhookSending]:
        given: dict[str, Any] = {"wall_now": lambda: self.now, "roll": lambda: 0.5, "poll_s": 0.01}
        sending = WebhookSending(self.outbox, **(given | changes))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sending.send_forever())
            try:
                yield sending
            finally:
                running.cancel()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/records.db")
    migrate(made)
    yield made
    made.close()


def answers(by_name: dict[str, list[bytes | None]]) -> Callable[[Asked], bytes | None]:
    """What each receiver answers, one after the other; the last for ever."""

    def answer(asked: Asked) -> bytes | None:
        left = by_name[asked.target.lstrip("/")]
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def test_what_failed_is_sent_again_under_its_id(database: Database) -> None:
    """At its time, and with the time of the attempt."""
    failing = answered("", status="503 Busy", more="Retry-After: 90\r\n")
    async with leaves_nothing(), small_server(answers({"crm": [failing, DONE]})) as server:
        rig = Rig(database, server, "crm")
        first = rig.put(1, "crm")
        clock = [0.0]
        with capture_logs() as lines:
            async with rig.sending(now=lambda: clock[0]):
                assert await until(lambda: rig.outbox.listed(Filter())[0].failed == 1)
                assert rig.outbox.listed(Filter())[0].due_at == rig.now + 90
                second = rig.put(2, "crm")
                rig.now, clock[0] = rig.now + 91, 91
                assert await until(lambda: rig.states() == {"crm": {"done"}})
    assert [asked.headers["webhook-id"] for asked in rig.asked("crm")] == [first, first, second]
    times = [int(asked.headers["webhook-timestamp"]) for asked in rig.asked("crm")]
    assert times == [int(rig.now) - 91, int(rig.now), int(rig.now)]
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == [
        "webhook_down",
        "webhook_back",
    ]


async def test_a_receiver_that_hangs_costs_no_other_anything(database: Database) -> None:
    """And has a bounded number of requests at once."""
    async with leaves_nothing(), small_server(answers({"slow": [None], "quick": [DONE]})) as server:
        rig = Rig(database, server, "slow", "quick")
        for number in range(AT_ONCE + 3):
            rig.put(number, "slow", "quick")
        async with rig.sending():
            assert await until(lambda: rig.states()["quick"] == {"done"})
            assert await until(lambda: len(rig.asked("slow")) == AT_ONCE)
    assert rig.states()["slow"] == {"pending"}
    assert len(rig.asked("slow")) == AT_ONCE


async def test_who_has_too_much_to_do_is_left_alone(database: Database) -> None:
    """What was claimed for it ahead is given back, not sent."""
    busy = answered("", status="429 Slow", more="Retry-After: 60\r\n")
    async with leaves_nothing(), small_server(answers({"crm": [busy]})) as server:
        rig = Rig(database, server, "crm")
        for number in range(2 * AT_ONCE):
            rig.put(number, "crm")
        async with rig.sending():
            assert await until(lambda: sum(one.failed for one in rig.outbox.listed(Filter())) == AT_ONCE)
            assert await until(lambda: not any(one.lease for one in rig.outbox.listed(Filter())))
    assert len(rig.asked("crm")) == AT_ONCE


async def test_who_is_gone_is_told_nothing_more(database: Database) -> None:
    gone = answered("", status="410 Gone")
    async with leaves_nothing(), small_server(answers({"crm": [gone], "other": [DONE]})) as server:
        rig = Rig(database, server, "crm", "other")
        rig.put(1, "crm")
        with capture_logs() as lines:
            async with rig.sending():
                assert await until(lambda: rig.states()["crm"] == {"dead"})
                assert await until(lambda: set(rig.outbox.stopped()) == {"crm"})
                rig.put(2, "crm", "other")
                assert await until(lambda: rig.states() == {"crm": {"dead"}, "other": {"done"}})
    assert len(rig.asked("crm")) == 1
    assert {line["event"] for line in lines if line["log_level"] == "error"} == {"webhook_gone"}


@pytest.mark.heavy
async def test_what_failed_too_often_is_dead(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbridge.records.outbox.schedule.DELAYS_S", (0, 0))
    async with leaves_nothing(), small_server(answers({"crm": [answered("", status="500 No")]})) as server:
        rig = Rig(database, server, "crm")
        rig.put(1, "crm")
        async with rig.sending():
            assert await until(lambda: rig.states() == {"crm": {"dead"}})
    (dead,) = rig.outbox.listed(Filter(state=DeliveryState.DEAD))
    assert (dead.failed, dead.last_code, len(dead.attempts)) == (3, 500, 3)


@pytest.mark.heavy
async def test_a_database_that_is_away_is_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once, and no fault of the sender."""
    monkeypatch.setattr("callbridge.server.process.outbox.webhook_sending.AWAY_S", 0.01)
    async with leaves_nothing(), small_server(answers({"crm": [DONE]})) as server:
        rig = Rig(database, server, "crm")
        rig.put(1, "crm")
        asked, claim = [0], rig.outbox.claim

        def away(free: dict[str, int], now: float) -> Any:
            asked[0] += 1
            if asked[0] < 4:
                raise RecordsAway("the server is away")
            return claim(free, now)

        monkeypatch.setattr(rig.outbox, "claim", away)
        with capture_logs() as lines:
            async with rig.sending():
                assert await until(lambda: rig.states() == {"crm": {"done"}})
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["webhooks_wait"]


KILLED = """
import asyncio, sys
from callbridge.records.database import Database
from callbridge.records.outbox.deliveries import Outbox, enqueue
from callbridge.records.outbox.events import Event, event_id
from callbridge.records.outbox.webhook import Webhook
from callbridge.server.process.outbox.webhook_sending import WebhookSending

database = Database(sys.argv[1])
webhook = Webhook(name="crm", url=sys.argv[2] + "/crm", events=frozenset({"fact.*"}))
event = Event(event_id("fact.said", "CA1"), "fact.said", "CA1", 1.0, "{}")
with database.writing() as connection:
    enqueue(connection, [event], [webhook], 1.0)
print("written", flush=True)
if sys.stdin.readline():
    asyncio.run(WebhookSending(Outbox(database, [webhook])).send_forever())
"""


@pytest.mark.heavy
@pytest.mark.parametrize("has_sent", [False, True])
async def test_kill_9_loses_nothing(database: Database, *, has_sent: bool) -> None:
    """Neither between the commit and the sending, nor while the answer is awaited: its id is the same."""
    async with leaves_nothing(), small_server(answers({"crm": [None] if has_sent else [DONE]})) as server:
        url = str(database.url)
        arguments = [sys.executable, "-c", KILLED, url, server.origin]
        victim = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603
        assert victim.stdin is not None
        assert victim.stdout is not None
        assert await asyncio.to_thread(victim.stdout.readline) == "written\n"
        if has_sent:
            victim.stdin.write("go\n")
            victim.stdin.flush()
            assert await until(lambda: len(server.asked) == 1)
        os.kill(victim.pid, signal.SIGKILL)
        await asyncio.to_thread(victim.communicate)
        server.answer = answers({"crm": [DONE]})
        rig = Rig(database, server, "crm")
        rig.now = time.time() + LEASE_S
        async with rig.sending():
            assert await until(lambda: rig.states() == {"crm": {"done"}})
    assert len(server.asked) == (2 if has_sent else 1)
    assert {asked.headers["webhook-id"] for asked in server.asked} == {event_id("fact.said", "CA1")}
