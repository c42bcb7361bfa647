"""The app: its parts are put together, run beside the calls, and end with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from callbridge.agents.agent import Agent
from callbridge.server.config.clip import ClipError
from callbridge.server.http import app as app_module
from callbridge.server.http.app import create_app
from callbridge.server.process.desk import Desk, open_desk
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.state.memory_state import MemoryState
from desks import CALL, made_settings


class _Noting(MemoryState):
    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


async def asked(app: FastAPI, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7") as client:
        return await client.get(path)


async def test_all_that_is_asked_for_is_there_and_nothing_else() -> None:
    """Unsigned, so that what is Twilio's or an operator's is refused; no page tells what runs here."""
    app = create_app(made_settings(), Agent())
    twilios = "voice stream-ended stream-status call-status fallback-dialed voicemail-left voicemail-status"
    for path in twilios.split():
        assert (await asked(app, f"/twilio/{path}")).status_code == 403
    for path, status in (("/healthz", 200), ("/readyz", 200)):
        assert (await asked(app, path)).status_code == status
    for path in ("/docs", "/redoc", "/openapi.json", "/", "/drain", "/metrics"):
        assert (await asked(app, path)).status_code == 404


async def test_what_runs_beside_the_calls_ends_with_them() -> None:
    """Model and state are watched; at the end nobody watches, and the state is closed."""
    state = _Noting()
    app = create_app(made_settings(), Agent(), state=state)
    before = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        names = {task.get_name() for task in asyncio.all_tasks() - before}
        assert names == {"model probe", "state watch"}
        assert not state.is_closed
    assert asyncio.all_tasks() == before
    assert state.is_closed


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
    assert (await asked(app, "/readyz")).status_code == 200
    drain.begin()
    assert (await asked(app, "/readyz")).status_code == 503


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
