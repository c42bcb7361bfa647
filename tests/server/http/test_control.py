"""The control listener: who may ask, and what they are told."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog

from callbridge.server.http.control import control_app, control_key
from callbridge.switchboard.draining import DrainStep
from desks import AUTH_TOKEN, FrontDesk, LiveCall, made_settings

KEY = control_key(made_settings())
RIGHT = {"Authorization": f"Bearer {KEY}"}
OWN_KEY = "a-key-of-the-operators-own"
ROUTES = [("POST", "/drain"), ("DELETE", "/drain"), ("GET", "/drain"), ("GET", "/readyz")]
ROUTES += [
    ("GET", f"/calls{path}") for path in ("", "/live", "/CA1", "/CA1/live", "/CA1/facts", "/CA1/audio")
]
ROUTES += [("POST", "/calls/CA1/end"), ("POST", "/calls/CA1/hand-over"), ("GET", "/metrics")]
ROUTES += [("GET", "/openapi.json"), ("GET", "/recordings/CA1-MZ1.wav/link"), ("DELETE", "/recordings/x")]


class World:
    """A desk, and the control before it."""

    def __init__(self) -> None:
        self.front = FrontDesk()
        self.desk = self.front.desk
        transport = httpx.ASGITransport(control_app(self.desk))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://callbridge")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    async with found.client:
        yield found


def test_key_is_derived_from_the_token_or_set() -> None:
    """As documented, so that a script without Python can make it too."""
    expected = hmac.new(AUTH_TOKEN.encode(), b"callbridge control", hashlib.sha256).hexdigest()
    assert expected == KEY
    assert control_key(made_settings({"CALLBRIDGE_CONTROL_KEY": OWN_KEY})) == OWN_KEY


async def test_a_drain_begins_is_reported_and_taken_back(world: World) -> None:
    """Asked once or again; the calls that are on are counted, and go on. A report changes nothing."""
    answer = await world.client.get("/drain", headers=RIGHT)
    ours = {"process": world.desk.state.process, "is_replaced": False, "control_ports": [8081]}
    assert (answer.status_code, answer.json()) == (200, ours | {"state": "serving", "live_calls": 0})
    call = LiveCall()
    world.desk.live_calls.add("CA1", call)
    for method in ("POST", "GET", "POST"):
        answer = await world.client.request(method, "/drain", headers=RIGHT)
        assert (answer.status_code, answer.json()) == (200, ours | {"state": "draining", "live_calls": 1})
    assert world.desk.drain.reason_not_ready() == "draining"
    answer = await world.client.delete("/drain", headers=RIGHT)
    assert answer.json() == ours | {"state": "serving", "live_calls": 1}
    assert world.desk.drain.reason_not_ready() is None
    world.desk.live_calls.remove("CA1", call)
    assert call.told == []


async def test_what_a_signal_has_begun_is_not_taken_back(world: World) -> None:
    call = LiveCall()
    world.desk.live_calls.add("CA1", call)
    world.desk.drain.signalled()
    answer = await world.client.delete("/drain", headers=RIGHT)
    assert (answer.json()["state"], answer.json()["live_calls"]) == ("draining", 1)
    world.desk.live_calls.remove("CA1", call)


async def test_nobody_is_sent_to_an_address_that_the_request_names(world: World) -> None:
    """The key would go there with them."""
    answer = await world.client.get("/drain/", headers=RIGHT | {"Host": "elsewhere.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


async def test_every_reason_to_decline_is_told(world: World) -> None:
    answer = await world.client.get("/readyz", headers=RIGHT)
    assert (answer.status_code, answer.json()["declines_for"]) == (200, [])
    world.front.loop_watch.is_late = True
    world.front.state.told_trouble = "the disk is full"
    world.desk.drain.begin()
    answer = await world.client.get("/readyz", headers=RIGHT)
    told = answer.json()
    assert answer.status_code == 503
    assert (told["declines_for"], told["state"]) == (["draining", "state", "loop_lag"], "draining")
    assert told["state_file"] == "the disk is full"
    assert (told["places_taken"], told["places"], told["spent_dollars_day"]) == (0, 250, 0)


@pytest.mark.parametrize(
    "authorization",
    [
        *(None, "", "Bearer", "Bearer ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}0", f"Bearer {'0' * 64}"),
        *(f"Basic {KEY}", KEY, f"Bearer {AUTH_TOKEN}"),
        b"Bearer \xff\xfe\xe9",
    ],
)
async def test_a_stranger_gets_401_without_a_word(world: World, authorization: str | bytes | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with structlog.testing.capture_logs() as logs:
        for method, path in ROUTES:
            answer = await world.client.request(method, path, headers=headers)  # type: ignore[arg-type]  # bytes are fine
            assert (answer.status_code, answer.content) == (401, b"")
    assert [line["event"] for line in logs] == ["control_refused"], "the rest is a count a minute"
    assert KEY not in str(logs)
    assert world.desk.drain.step is DrainStep.SERVING


@pytest.mark.parametrize("path", ["/healthz", "/twilio/voice", "/media-stream", "/"])
async def test_nothing_else_is_there(world: World, path: str) -> None:
    answer = await world.client.get(path, headers=RIGHT)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
