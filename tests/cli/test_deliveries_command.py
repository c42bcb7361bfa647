"""`callbridge deliveries`: what is shown, what is sent again, and what a sample comes back with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.outbox.deliveries import Outbox, enqueue
from callbridge.records.outbox.delivery import Attempt, DeliveryState, Filter, Settled
from callbridge.records.outbox.events import CALL_COMPLETED, call_event
from callbridge.records.outbox.sample import SAMPLE_SID, sample_story
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.records.outbox.webhook import Webhook
from callbridge.records.projecting import project
from desks import NEEDED
from nats_server import nats_server
from records.shipments import HANGUP, STARTED, entry, store
from small_server import Asked, answered, small_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CRM = Webhook(name="crm", url="https://crm.example.com/calls", events=frozenset({CALL_COMPLETED}))
FILE = (
    '[[webhook]]\nname = "crm"\nurl = "https://crm.example.com/calls"\nbody = "data"\n'
    '[[webhook]]\nname = "slack"\nurl = "http://127.0.0.1:9/x"\nbody = "data.captured.Complaint"\n'
)


class Desk:
    """A folder in which a service has run, and the command in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "webhooks.toml").write_text(FILE)
        self.database = Database(f"sqlite:///{folder}/records.db")
        migrate(self.database)
        self.outbox = Outbox(self.database, [CRM])

    def put(self, *, is_dead: bool = False) -> None:
        with self.database.writing() as connection:
            enqueue(connection, [call_event(CALL_COMPLETED, sample_story(1e9), 1e9)], [CRM], 1e9)
        if is_dead:
            (claimed,) = self.outbox.claim({"crm": 1}, 1e9)
            attempt = Attempt(1e9, 404, "it answered 404 Not Found", 7)
            self.outbox.settle([Settled(claimed, attempt, DeliveryState.DEAD)])

    def says(self, *arguments: str, status: int = 0) -> str:
        given = {
            "CALLBRIDGE_STATE_PATH": str(self.folder / "state.db"),
            "CALLBRIDGE_WEBHOOKS": str(self.folder / "webhooks.toml"),
        }
        ended = CliRunner().invoke(app, ["deliveries", *arguments], env=NEEDED | given)
        assert ended.exit_code == status, ended.output
        return ended.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.says(*arguments, "--json"))


@pytest.fixture
def desk(only_these: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


def test_what_is_told_is_shown(desk: Desk) -> None:
    desk.put(is_dead=True)
    listed = desk.says("list")
    assert {SAMPLE_SID, "dead", "404"} <= set(listed.split())
    (one,) = desk.json("list", "--state", "dead")
    assert desk.says("list", "--state", "pending") == "There is no such delivery.\n"
    shown = desk.json("show", str(one["id"]))
    assert shown.items() >= one.items()
    assert shown["body"]["data"]["caller"] == "+14155550100"
    assert shown["attempts"] == [
        {"at": "2001-09-09T01:46:40.000Z", "code": 404, "error": "it answered 404 Not Found", "took_ms": 7}
    ]
    assert "attempt     2001-09-09T01:46:40.000Z  7 ms  it answered 404" in desk.says("show", str(one["id"]))


def test_what_is_dead_is_sent_again(desk: Desk) -> None:
    desk.put(is_dead=True)
    assert desk.says("retry") == "1 to be sent again\n"
    (one,) = desk.outbox.listed(Filter(state=DeliveryState.PENDING))
    assert one.due_at == pytest.approx(time.time(), abs=60)
    assert "nothing to send again" in desk.says("retry", "4711", status=1)


def test_who_is_gone_is_named(desk: Desk) -> None:
    desk.outbox.stop(CRM, 1e9)
    assert "crm answered 410 Gone at 2001-09-09T01:46:40.000Z: it is told nothing more" in desk.says("list")


def test_a_call_is_told_again(desk: Desk) -> None:
    """As it is known now. Each receiver that wants the event gets it."""
    store(desk.database, entry(SAMPLE_SID, 1, STARTED), entry(SAMPLE_SID, 2, HANGUP))
    assert desk.says("send", SAMPLE_SID) == "2 to be sent\n"
    assert {one.event.call_sid for one in desk.outbox.listed(Filter())} == {SAMPLE_SID}
    with desk.database.writing() as connection:
        project(connection, SAMPLE_SID, 1e9)
    assert desk.says("send", SAMPLE_SID[-6:]) == "2 to be sent\n", "as lists of calls show it"
    assert {one["call_sid"] for one in desk.json("list", "--call", SAMPLE_SID[-6:])} == {SAMPLE_SID}
    assert "no call of this SID is on record" in desk.says("send", "CA4711", status=1)
    more = ("--event", "call.analyzed")
    assert "no receiver wants call.analyzed" in desk.says("send", SAMPLE_SID, *more, status=1)


@contextlib.contextmanager
def served(answer: Callable[[Asked], bytes]) -> Iterator[str]:
    """A receiver in a loop of its own: the command has another one."""
    origin, is_up, loop = [""], threading.Event(), asyncio.new_event_loop()
    is_over = asyncio.Event()

    async def serve() -> None:
        async with small_server(answer) as server:
            origin[0] = server.origin
            is_up.set()
            await is_over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    is_up.wait(10)
    yield origin[0]
    loop.call_soon_threadsafe(is_over.set)
    thread.join(10)
    loop.close()


@pytest.mark.heavy
def test_a_sample_is_sent_to_each(desk: Desk) -> None:
    """And what came back is said: taken, refused, and not wanted by the template."""
    with served(lambda asked: answered("", status="204 No Content" if asked.json else "500 No")) as origin:
        text = FILE.replace("https://crm.example.com", origin)
        (desk.folder / "webhooks.toml").write_text(text)
        assert desk.says("test") == (
            f"crm at {origin}: it took it (204)\n"
            "slack at http://127.0.0.1:9: its template wants nothing sent of this call\n"
        )
    (desk.folder / "webhooks.toml").write_text(text.replace("data.captured.Complaint", "data"))
    assert "slack at http://127.0.0.1:9: the service cannot be reached" in desk.says(
        "test", "--webhook", "slack", status=1
    )
    assert "There is no receiver other." in desk.says("test", "--webhook", "other", status=1)


@pytest.mark.heavy
def test_nats_is_told_like_the_others(only_these: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seen, sent again, tried out, also where there is no webhook; without a server it says so."""
    with nats_server() as server:
        given = {"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"), "NATS_URL": server.url}

        def says(*arguments: str, status: int = 0) -> str:
            ended = CliRunner().invoke(app, ["deliveries", *arguments], env=NEEDED | given)
            assert ended.exit_code == status, ended.output
            return ended.output

        database = Database(f"sqlite:///{tmp_path}/records.db")
        migrate(database)
        receiver = NatsReceiver(subject="callbridge", stream="callbridge", events=frozenset({CALL_COMPLETED}))
        outbox = Outbox(database, [receiver])
        store(database, entry("CA1", 1, STARTED), entry("CA1", 2, HANGUP))
        assert says("send", "CA1") == "1 to be sent\n"
        (claimed,) = outbox.claim_in_order("nats", 9, time.time(), 9)
        outbox.settle([Settled(claimed, Attempt(1e9, None, "it cannot be reached"), DeliveryState.DEAD)])
        assert {"nats", "CA1", "dead"} <= set(says("list", "--webhook", "nats").split())
        assert says("retry") == "1 to be sent again\n"
        (claimed,) = outbox.claim_in_order("nats", 9, time.time(), 9)
        outbox.settle([Settled(claimed, Attempt(1e9, None), DeliveryState.DONE)])
        shown = says("show", str(claimed.id))
        assert "it cannot be reached" in shown
        assert "it was taken" in shown
        assert says("test") == f"nats at 127.0.0.1:{server.port}: it took it\n"
        checked = CliRunner().invoke(app, ["check"], env=NEEDED | given)
        assert "takes callbridge.> into the stream callbridge" in checked.output
        server.stop()
        assert "it cannot be reached (Connection refused)" in says("test", status=1)
        database.close()
