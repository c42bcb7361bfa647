"""The routes of the drain control: who may ask, and what they are told."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from callbridge.server.http.control import control_router, drain_key
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.switchboard.draining import DrainStep
from desks import LiveCall

TOKEN = SecretStr("0123456789abcdef0123456789abcdef")
KEY = drain_key(TOKEN)
RIGHT = {"Authorization": f"Bearer {KEY}"}


class World:
    """A service with the control and nothing else."""

    def __init__(self) -> None:
        self.live_calls = LiveCalls()
        self.drain = Drain(self.live_calls, 240)
        app = FastAPI()
        app.include_router(control_router(self.drain, self.live_calls, TOKEN))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callbridge")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    async with found.client:
        yield found


def test_key_is_derived_from_the_token() -> None:
    """As documented, so that a script without Python can make it too."""
    expected = hmac.new(TOKEN.get_secret_value().encode(), b"callbridge drain", hashlib.sha256).hexdigest()
    assert expected == KEY
    assert TOKEN.get_secret_value() not in KEY


async def test_a_drain_begins_and_is_reported(world: World) -> None:
    """Asked once or again; the calls that are on are counted, and go on. A report changes nothing."""
    answer = await world.client.get("/drain", headers=RIGHT)
    assert (answer.status_code, answer.json()) == (200, {"state": "serving", "live_calls": 0})
    call = LiveCall()
    world.live_calls.add("CA1", call)
    for method in ("POST", "GET", "POST"):
        answer = await world.client.request(method, "/drain", headers=RIGHT)
        assert (answer.status_code, answer.json()) == (200, {"state": "draining", "live_calls": 1})
    assert world.drain.reason_not_ready() == "draining"
    world.live_calls.remove("CA1", call)
    answer = await world.client.get("/drain", headers=RIGHT)
    assert answer.json() == {"state": "draining", "live_calls": 0}
    assert call.told == []


@pytest.mark.parametrize(
    "authorization",
    [
        *(None, "", "Bearer", "Bearer ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}0", f"Bearer {'0' * 64}"),
        *(f"Basic {KEY}", KEY, f"Bearer {TOKEN.get_secret_value()}"),
        f"Bearer {drain_key(SecretStr('another token'))}",
        b"Bearer \xff\xfe\xe9",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stranger_gets_401_without_a_word(
    world: World, method: str, authorization: str | bytes | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with structlog.testing.capture_logs() as logs:
        answer = await world.client.request(method, "/drain", headers=headers)  # type: ignore[arg-type]  # bytes are fine
    assert (answer.status_code, answer.content) == (401, b"")
    assert world.drain.step is DrainStep.SERVING
    assert [line["event"] for line in logs] == ["drain_refused"]
    assert KEY not in str(logs)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(world: World, method: str) -> None:
    assert (await world.client.request(method, "/drain", headers=RIGHT)).status_code == 405
    assert world.drain.step is DrainStep.SERVING
