"""Recorded calls over HTTP: pages, stories, facts, and what is said when they cannot be had."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # It ships no types.
import pytest

from callbridge.call import facts
from callbridge.call.facts import Fact
from callbridge.call.recording_facts import RecordingStored
from callbridge.records.database import Database
from callbridge.records.errors import RecordsAway
from callbridge.records.migrating import migrate
from callbridge.records.projecting import rebuild
from callbridge.records.reading import Records
from callbridge.server.http import recorded_calls
from callbridge.server.http.control import control_app, control_key
from callbridge.server.process.desk import Desk
from callbridge.server.process.keeping.records import open_records
from desks import FrontDesk, made_settings
from records.shipments import HANGUP, STARTED, entry, store

RIGHT = {"Authorization": f"Bearer {control_key(made_settings())}"}
SIDS = [f"CA{number:032}" for number in range(5)]

RECORDING = f"{SIDS[4]}-MZ1.wav"


class World:
    """A control listener, and five calls on record."""

    client: httpx.AsyncClient

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def get(self, path: str) -> tuple[int, Any]:
        answer = await self.client.get(path, headers=RIGHT)
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the records of five calls."""
    made = tmp_path_factory.mktemp("pages")
    database = Database(f"sqlite:///{made}/records.db")
    migrate(database)
    for day, sid in enumerate(SIDS):
        turn = facts.TurnEnded(1, f"Number {day}", "Yes.", 640, interrupted=False)
        told: list[Fact] = [STARTED, turn, HANGUP]
        told += [RecordingStored(RECORDING, 2000, 9, "wav")] if sid == SIDS[4] else []
        entries = [entry(sid, n, fact, source=f"MZ{day}", at=day * 1e5 + n) for n, fact in enumerate(told, 1)]
        store(database, *entries)
    rebuild(database, 0.0, lambda _done, _of: None)
    database.close()
    return made


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    given = {"DATABASE_URL": f"sqlite:///{folder}/records.db", "CALLBRIDGE_RECORDINGS": f"{folder}/stored"}
    front = FrontDesk(given)
    front.desk.records = records = open_records(front.desk.settings, front.state, str, lambda: 0.0)
    assert records is not None
    found = World(front.desk)
    transport = httpx.ASGITransport(control_app(front.desk))
    async with httpx.AsyncClient(transport=transport, base_url="http://callbridge") as found.client:
        yield found
    records.database.close()


async def test_calls_come_in_pages_and_each_as_a_whole(world: World) -> None:
    """As the document says that they come."""
    status, page = await world.get("/calls?limit=2")
    assert (status, [call["call_sid"] for call in page["calls"]]) == (200, SIDS[:2:-1])
    seen = []
    while page["next"] is not None:
        seen += page["calls"]
        page = (await world.get(f"/calls?limit=2&after={page['next']}"))[1]
    assert [call["call_sid"] for call in seen + page["calls"]] == SIDS[::-1]
    for query, wanted in (("words=number%203", [3]), ("since=200000&until=300000", [2]), ("agent=x", [])):
        status, page = await world.get(f"/calls?{query}")
        assert (status, [call["call_sid"] for call in page["calls"]]) == (200, [SIDS[day] for day in wanted])
    status, story = await world.get(f"/calls/{SIDS[1]}")
    assert (status, story["turns"][0]["caller"], story["end_reason"]) == (200, "Number 1", "caller_hangup")
    status, silent = await world.get(f"/calls/{SIDS[1]}?words=false")
    assert (status, silent["turns"][0]["caller"], silent["end_reason"]) == (200, "", "caller_hangup")
    assert "Number 1" not in str(silent)
    status, told = await world.get(f"/calls/{SIDS[1]}/facts?limit=2")
    assert [one["fact"]["kind"] for one in told["facts"]] == ["stream_started", "turn_ended"]
    status, rest = await world.get(f"/calls/{SIDS[1]}/facts?after={told['next']}")
    assert (status, rest["facts"][0]["fact"]["kind"], rest["next"]) == (200, "stream_ended", None)
    _, document = await world.get("/openapi.json")
    for name, answer in (("CallPage", page), ("CallStory", story), ("FactPage", told)):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(answer, schema)


async def test_a_recording_is_led_to(world: World, folder: Path) -> None:
    """At the address by which this was asked. The link is the key."""
    stored = folder / "stored"
    stored.mkdir()
    (stored / RECORDING).write_bytes(b"RIFF audio")
    answer = await world.client.get(f"/calls/{SIDS[4]}/audio", headers=RIGHT)
    assert answer.status_code == 307
    assert answer.headers["location"].startswith(f"/recordings/{RECORDING}?expires=")
    heard = await world.client.get(answer.headers["location"])
    assert (heard.status_code, heard.content) == (200, b"RIFF audio")
    for path in (f"/calls/{SIDS[4]}/audio?part=2", f"/calls/{SIDS[3]}/audio", "/calls/CA9/audio"):
        assert (await world.get(path))[0] == 404
    assert (await world.get(f"/calls/{SIDS[4]}/audio?part=0"))[0] == 422


async def test_odd_questions_are_answered_in_words(world: World) -> None:
    for path, status in (
        *(("/calls?limit=0", 422), ("/calls?limit=201", 422), ("/calls?since=yesterday", 422)),
        *(("/calls?state=odd", 422), ("/calls?page=2", 422), (f"/calls/{SIDS[0]}/facts?after=-1", 422)),
        (f"/calls/{SIDS[0]}?words=odd", 422),
        *(("/calls/live?words=perhaps", 422), ("/calls/CA9", 404), ("/calls/CA9/facts", 404)),
        *(("/calls?words=%00", 422), ("/calls?after=%F0%9F", 200), ("/calls?since=nan", 200)),
        ("/calls/%00", 404),
    ):
        found, answer = await world.get(path)
        assert (found, found == 200 or list(answer) == ["error"]) == (status, True), path


async def test_records_that_cannot_be_read_are_told_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask: neither the listener nor the loop waits for the database."""

    def away(*_: object) -> None:
        raise RecordsAway("The server is stopping.")

    monkeypatch.setattr(Records, "calls", away)
    assert await world.get("/calls") == (503, {"error": "The server is stopping."})
    may_go_on = threading.Event()
    monkeypatch.setattr(Records, "calls", lambda *_: may_go_on.wait(20))
    monkeypatch.setattr(recorded_calls, "ANSWER_WITHIN_S", 0.02)
    for _ in range(recorded_calls.READERS + 1):
        status, answer = await world.get("/calls")
        assert (status, answer) == (503, {"error": "The database has not answered for 0.02 s."})
    may_go_on.set()
    world.desk.records = None
    status, answer = await world.get("/calls")
    assert (status, answer["error"][:20]) == (404, "No records are kept:")


async def test_the_document_says_all_that_can_be_asked(world: World) -> None:
    """Behind the key, like the rest."""
    assert (await world.client.get("/openapi.json")).status_code == 401
    status, document = await world.get("/openapi.json")
    asked = {f"{method} {path}" for path, told in document["paths"].items() for method in told}
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert asked >= {"post /drain", "get /readyz", "get /calls", "get /calls/{sid}/live"}
    names = [one["name"] for one in document["paths"]["/calls/{sid}/facts"]["get"]["parameters"]]
    assert names == ["sid", "after", "limit"]
    answers = document["paths"]["/drain"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/DrainReport"
    }
    _, report = await world.get("/drain")
    jsonschema.validate(report, document["components"]["schemas"]["DrainReport"])
