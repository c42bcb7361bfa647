"""The app: its parts are put together, run beside the calls, and end with them."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

import callbridge
from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.fault import AgentError
from callbridge.server.config import addresses
from callbridge.server.config.clip import ClipError
from callbridge.server.http import app as app_module
from callbridge.server.http.app import create_app
from callbridge.server.process.desk import Desk, open_desk
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.state.memory_state import MemoryState
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, NEEDED, UNSIGNED, made_settings


class _Noting(MemoryState):
    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


async def asked(app: FastAPI, *paths: str) -> list[int]:
    """The status of each answer, while the app is served; once more would be another app."""
    async with app.router.lifespan_context(app):
        return [(await answer(app, path)).status_code for path in paths]


async def answer(app: ASGIApp, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as client:
        return await client.get(path)


async def test_all_that_is_asked_for_is_there_and_nothing_else() -> None:
    """Unsigned, so that what is Twilio's or an operator's is refused; no page tells what runs here."""
    app = create_app(made_settings(), Agent())
    twilios = {path for name, path in vars(addresses).items() if name.endswith("_PATH")}
    expected = dict.fromkeys(sorted(twilios - {addresses.MEDIA_STREAM_PATH}), 403)
    expected |= {"/healthz": 200, "/readyz": 200}
    expected |= dict.fromkeys(("/docs", "/redoc", "/openapi.json", "/", "/drain", "/metrics"), 404)
    assert await asked(app, *expected) == [*expected.values()]


async def test_what_runs_beside_the_calls_ends_with_them() -> None:
    """Model and state are watched; at the end nobody watches, and the state is closed."""
    state = _Noting()
    app = create_app(made_settings(), Agent(), state=state)
    before = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        names = {task.get_name() for task in asyncio.all_tasks() - before}
        organs = {"MCP servers", "model probe", "neighbours", "news of texts", "refusals", "state watch"}
        assert names == {*organs, "certificate watch"}
        assert not state.is_closed
    assert asyncio.all_tasks() == before
    assert state.is_closed


@pytest.mark.parametrize(
    ("environment", "level", "told"),
    [
        ({}, "info", {"caps": "$25 an hour, $100 a day", "fallback": "voicemail"}),
        (
            {"CALLBRIDGE_SPEND_PER_HOUR_MAX": "off", "CALLBRIDGE_SPEND_PER_CALL_MAX": "2"},
            "info",
            {"caps": "$2 a call, $100 a day"},
        ),
        (
            {
                "CALLBRIDGE_SPEND_PER_HOUR_MAX": "off",
                "CALLBRIDGE_SPEND_PER_DAY_MAX": "off",
                "CALLBRIDGE_FALLBACK_DIAL": "+14155550123",
            },
            "warning",
            {"caps": "none", "fallback": "+14155550123, then voicemail"},
        ),
        (
            {"CALLBRIDGE_FALLBACK_MENU": '{"1": {"label": "a message", "voicemail": true}}'},
            "info",
            {"fallback": "a menu, then voicemail"},
        ),
        (
            {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-9", "CALLBRIDGE_FALLBACK_VOICEMAIL": "false"},
            "warning",
            {"cannot_hold_for": ["gpt-realtime-9"], "fallback": "the apology"},
        ),
    ],
    ids=["defaults", "chosen", "none", "menu", "without a price"],
)
async def test_every_start_says_what_calls_may_cost(
    environment: dict[str, str], level: str, told: dict[str, object]
) -> None:
    """One line, a warning where nothing bounds the spending. Numbers are masked where logs are written."""
    app = create_app(made_settings(environment), Agent())
    with structlog.testing.capture_logs() as logs:
        async with app.router.lifespan_context(app):
            pass
    (line,) = [line for line in logs if line["event"] == "spend_caps"]
    assert line["log_level"] == level
    assert {name: line[name] for name in told} == told


async def test_the_state_is_closed_when_serving_breaks() -> None:
    state = _Noting()
    app = create_app(made_settings(), Agent(), state=state)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with app.router.lifespan_context(app):
            raise KeyError
    assert caught.group_contains(KeyError)
    assert state.is_closed


async def test_the_given_drain_says_when_no_calls_are_taken() -> None:
    live_calls = LiveCalls()
    drain = Drain(live_calls, 0)
    app = create_app(made_settings(), Agent(), drain=drain, live_calls=live_calls)
    async with callbridge.serving(app):
        assert (await answer(app, "/readyz")).status_code == 200
        drain.begin()
        assert (await answer(app, "/readyz")).status_code == 503


async def test_the_clocks_are_the_given_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not mixed up; the memory that is made for want of a state dates by the wall clock too."""
    desks: list[Desk] = []

    def noted(*arguments: Any, **parts: Any) -> Desk:
        desks.append(open_desk(*arguments, **parts))
        return desks[-1]

    monkeypatch.setattr(app_module, "open_desk", noted)
    create_app(made_settings(), Agent(), clock=lambda: 1.0, wall_clock=lambda: 5_000.0)
    (desk,) = desks
    assert (desk.now(), desk.wall_now()) == (1.0, 5_000.0)
    desk.state.append(CALL, "stream_started", b"{}")
    (event,) = await desk.state.events(CALL)
    assert event.at == 5_000.0


async def test_a_clip_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """In words, before the first call: not in the middle of one."""
    path = tmp_path / "moment.ulaw"
    path.write_bytes(b"")
    settings = made_settings({"CALLBRIDGE_CLIP": str(path)})
    path.unlink()
    with pytest.raises(ClipError):
        create_app(settings, Agent())


def mounted(calls: FastAPI, path: str) -> FastAPI:
    """A user's own app, which has forgotten nothing but the lifespan."""
    outer = FastAPI()
    outer.mount(path, calls)
    return outer


async def test_before_its_lifespan_has_begun_nothing_is_served() -> None:
    """Mounted, with no word of `serving`: 503 to all, and one line that says what to write."""
    calls = create_app(made_settings({"PUBLIC_BASE_URL": f"{BASE}/calls"}), Agent())
    outer = mounted(calls, "/calls")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert (await answer(outer, "/calls/readyz")).status_code == 503
    (line,) = logs
    assert (line["event"], "async with callbridge.serving(calls)" in line["remedy"]) == ("not_served", True)
    async with callbridge.serving(calls):
        assert (await answer(outer, "/calls/readyz")).status_code == 200
    assert (await answer(outer, "/calls/readyz")).status_code == 503


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [({"websocket.http.response": {}}, "websocket.http.response.start"), ({}, "websocket.close")],
)
async def test_before_its_lifespan_has_begun_no_socket_is_served(
    extensions: dict[str, Any], expected: str
) -> None:
    """A server need not know how to deny a socket in words; it knows how to close it."""
    sent = list[str]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/media-stream", "headers": [], "extensions": extensions}
    await create_app(made_settings(), Agent())(scope, receive, send)
    assert sent[0] == expected


async def test_an_app_is_served_once() -> None:
    """What its end has closed stays closed: in words, not at the first call."""
    app = create_app(made_settings(), Agent())
    async with callbridge.serving(app):
        with pytest.raises(RuntimeError, match="create_app"):
            async with callbridge.serving(app):
                raise AssertionError("it runs twice")
        assert (await answer(app, "/readyz")).status_code == 200


@pytest.mark.parametrize("way", ["mounted", "proxy that passes the prefix on", "proxy that takes it away"])
async def test_the_public_address_may_have_a_path(way: str) -> None:
    """A request is known by its signature, which covers the path that the caller's side has seen."""
    calls = create_app(made_settings({"PUBLIC_BASE_URL": f"{BASE}/calls"}), Agent())
    app = mounted(calls, "/calls") if way == "mounted" else calls
    path = "/twilio/voice" if way == "proxy that takes it away" else "/calls/twilio/voice"
    form = {"CallSid": CALL, "AccountSid": ACCOUNT, "From": CALLER, "To": CALLED}
    signature = sign(AUTH_TOKEN, f"{BASE}/calls/twilio/voice", form.items())
    async with (
        callbridge.serving(calls),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as client,
    ):
        response = await client.post(path, data=form, headers={"X-Twilio-Signature": signature})
    assert response.status_code == 200
    assert 'url="wss://calls.example.com/calls/media-stream"' in response.text
    assert f'action="{BASE}/calls/twilio/stream-ended' in response.text


async def test_what_is_not_given_is_that_of_the_process(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Settings, and with them the agent and the file of the state: as `callbridge serve` has them."""
    for name, value in (NEEDED | {"CALLBRIDGE_STATE_PATH": "calls.sqlite3"}).items():
        only_these.setenv(name, value)
    app = callbridge.create_app()
    async with callbridge.serving(app):
        assert (await answer(app, "/readyz")).status_code == 200
    assert (tmp_path / "calls.sqlite3").is_file()


async def test_each_start_says_that_signatures_are_off() -> None:
    for environment, told in (({}, []), (UNSIGNED, ["signatures_off"])):
        app = create_app(made_settings(environment), Agent())
        with structlog.testing.capture_logs() as logs:
            async with callbridge.serving(app):
                pass
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == told


async def test_the_example_of_the_readme_serves(only_these: pytest.MonkeyPatch) -> None:
    """As it stands there, with an agent of that name."""
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import contextlib\n.*?)```", readme, re.DOTALL)
    for name, value in (NEEDED | {"PUBLIC_BASE_URL": f"{BASE}/calls"}).items():
        only_these.setenv(name, value)
    only_these.setitem(sys.modules, "bakery", SimpleNamespace(agent=callbridge.Agent()))
    made: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec", dont_inherit=True), made)  # noqa: S102 - the words of our own file
    async with made["app"].router.lifespan_context(made["app"]):
        assert (await answer(made["app"], "/calls/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("answering", "names"),
    [
        (Agent(), ["default"]),
        ({"+14155550100": Agent(name="bakery"), "*": Agent(name="clinic")}, ["bakery", "clinic"]),
        (Roster({"bakery": Agent(), "clinic": Agent()}), ["bakery", "clinic"]),
    ],
)
def test_an_app_is_given_who_answers(answering: Agent | dict[str, Agent] | Roster, names: list[str]) -> None:
    app = create_app(made_settings(), answering)
    assert list(app.state.desk.plans.roster.agents) == names


def test_nobody_answers_no_call() -> None:
    with pytest.raises(AgentError, match="there is no agent"):
        create_app(made_settings(), {})
